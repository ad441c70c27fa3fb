"""Event loop on epoll: the kernel keeps the table itself, so that a turn costs only who is ready, not who is there."""

import select

import threadserver


def serve(server: threadserver.Server) -> None:
    """Ask the kernel who of its table is ready, and do what the ready sockets are ready for."""
    with select.epoll() as interest:
        loop = threadserver.Loop(server, interest)
        for pause in loop.turns():
            for descriptor, events in interest.poll(pause):
                if events & ~select.EPOLLOUT:  # readable, or hung up, or failed
                    loop.read(descriptor)
                if events & ~select.EPOLLIN:
                    loop.write(descriptor)


if __name__ == "__main__":
    threadserver.main(serve)
