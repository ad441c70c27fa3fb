"""Event loop on epoll: the kernel keeps the table, so a turn costs only what the ready sockets cost, not all of them."""

import select

import threadserver


def serve(server: threadserver.Server) -> None:
    """Ask the kernel which sockets of the table are ready, and do what they are ready for."""
    interest = select.epoll()
    loop = threadserver.Loop(server, interest)
    for pause in loop.turns():
        for descriptor, events in interest.poll(pause):
            if events & ~select.EPOLLOUT:  # readable, or hung up, or failed
                loop.read(descriptor)
            if events & ~select.EPOLLIN:
                loop.write(descriptor)


if __name__ == "__main__":
    threadserver.main(serve)
