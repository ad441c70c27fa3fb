"""Well-known servers, each as its manual would write it, speaking the confirmation protocol."""
