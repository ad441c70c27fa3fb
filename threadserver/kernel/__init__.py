"""What the kernel tells about running programs: readers of /proc, of its socket tables and of strace(1).

`processes` and `calls` (with `syscalls`, `epoll` and `uring`) read what a `task` is blocked in. `namespaces` (with
`joining`) and `sockets` read the socket tables. `look` puts both together. `tracing` runs strace, and `traced` reads
its output. `eyes` reads as another user where root alone may not. `testimony` names the concurrency models that such
readings can tell apart.
"""
