"""Any program as a server under test: start it, learn from the kernel when it listens, stop all its processes."""
