"""Well-known servers, each written as in its manual, with the confirmation protocol."""
