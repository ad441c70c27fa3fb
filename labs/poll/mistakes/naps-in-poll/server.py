"""Naps in poll(), which waits for nothing, and then asks every socket whether there is anything."""

import select

import threadserver

NAP = 15  # milliseconds


def serve(server: threadserver.Server) -> None:
    """Nap until something has failed or time has passed, then try everything that may be tried."""
    loop = threadserver.Loop(server)
    for _ in loop.turns():
        interest = select.poll()
        for descriptor in loop.reading | loop.writing:
            interest.register(descriptor, 0)
        interest.poll(NAP)
        for descriptor in sorted(loop.reading):
            loop.read(descriptor)
        for descriptor in sorted(loop.writing):
            loop.write(descriptor)


if __name__ == "__main__":
    threadserver.main(serve)
