"""Event loop on poll(): as with select(), but a table of descriptors, which may be any number and of any size."""

import select

import threadserver


def serve(server: threadserver.Server) -> None:
    """Ask the kernel which sockets of the table are ready, and do what they are ready for."""
    interest = select.poll()
    loop = threadserver.Loop(server, interest)
    for pause in loop.turns():
        for descriptor, events in interest.poll(pause * 1000):  # milliseconds
            if events & ~select.POLLOUT:  # readable, or hung up, or failed
                loop.read(descriptor)
            if events & ~select.POLLIN:
                loop.write(descriptor)


if __name__ == "__main__":
    threadserver.main(serve)
