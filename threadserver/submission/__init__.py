"""Any program as a server under test: start it, know from the kernel that it listens, stop it whole."""
