"""What the kernel shows of a running server, and which concurrency model it is.

Everything here reads: /proc and the kernel's socket tables. Nothing stops, signals or changes the server. Read in
this order: ``calls`` (what a task is blocked in), ``sockets`` (the kernel's tables), ``look`` (both together),
``experiment`` and ``rounds`` (connections that are held while one looks), ``witnesses``, ``rules`` (what follows).
"""
