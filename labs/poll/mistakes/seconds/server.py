"""Mistake: the pause is in seconds, as for select(); poll() takes milliseconds."""

import select

import threadserver


def serve(server: threadserver.Server) -> None:
    """Hand the kernel the whole table in each turn, and do what the ready sockets are ready for."""
    interest = select.poll()
    loop = threadserver.Loop(server, interest)
    for pause in loop.turns():
        for descriptor, events in interest.poll(pause):
            if events & ~select.POLLOUT:  # readable, or hung up, or failed
                loop.read(descriptor)
            if events & ~select.POLLIN:
                loop.write(descriptor)


if __name__ == "__main__":
    threadserver.main(serve)
