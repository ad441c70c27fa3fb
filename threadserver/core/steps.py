"""The twelve steps of a conversation over TCP, and the three stages that the first eight fall into.

::

    server                                client
    1  socket()
    2  bind()
    3  listen()                                                  ── server listening
                                          4  socket()
                                          5  connect()           ── client request
    6  blocked in accept()
                                          7  connect() returns
    8  accept() returns a new socket
    8a a new thread says HELLO
                                          8b CONFIRM             ── connection confirmation
                                          9  send()
    10 recv(), and send() the answer
                                          11 close()
    12 close()

This is the text that the diagrams show; `recording` says which call of which side is which step.
Sources: RFC 9293; Stevens, Fenner, Rudoff: UNIX Network Programming, volume 1, chapters 2 and 4; the manual pages.
"""

from dataclasses import dataclass

STAGES = {
    "listening": "server listening",
    "request": "client request",
    "confirmation": "connection confirmation",
    "conversation": "conversation",
}
"""The three stages that open a connection, and its purpose."""


@dataclass(frozen=True)
class Step:
    """One step: its side, the call that takes it, what the call does, and what the kernel does for it."""

    number: str
    side: str
    stage: str
    title: str
    call: str
    manual: str
    does: str
    kernel: str


STEPS: dict[str, Step] = {
    step.number: step
    for step in (
        Step("1", "server", "listening", "creates a socket", "socket(family, type, protocol)", "socket(2)",
             "Asks for one endpoint: the family says what addresses look like (AF_INET, AF_INET6, AF_LOCAL), the type "
             "how bytes travel (SOCK_STREAM: a stream, in order, nothing lost), the protocol what carries them (TCP).",
             "It makes a socket, in state CLOSED, and gives the process a file descriptor for it. Nothing has been "
             "sent, and no client can reach it."),
        Step("2", "server", "listening", "binds it to an address and port", "bind(address)", "bind(2)",
             "Gives the socket the name by which clients find it.",
             "It notes that this address and port belong to this socket, or refuses: EADDRINUSE when another socket "
             "has them, EACCES for a port below 1024 without the right to use it."),
        Step("3", "server", "listening", "listens", "listen(backlog)", "listen(2)",
             "Makes it a listening socket: it never carries data, it only waits for requests. No connection is "
             "open yet.",
             "State LISTEN. From now on the kernel itself answers each request (SYN) and keeps finished connections "
             "in a queue of at most `backlog` until accept() takes them."),
        Step("4", "client", "request", "creates a socket", "socket(family, type, protocol)", "socket(2)",
             "The client makes its own endpoint, of the same family, type and protocol.",
             "A socket in state CLOSED and a file descriptor, as in step 1. The client needs no bind(): the kernel "
             "chooses a free port."),
        Step("5", "client", "request", "connects", "connect(address)", "connect(2)",
             "Active open: asks for a connection to the server's address and port, and blocks until there is one.",
             "It chooses a local port, sends a SYN and puts the socket into state SYN_SENT."),
        Step("6", "server", "confirmation", "passive open", "accept(), still blocked", "accept(2)",
             "The server does nothing: it is blocked in accept() when the request arrives, or is busy elsewhere and "
             "the request waits.",
             "It answers the SYN with SYN+ACK and, at the client's ACK, puts a new socket in state ESTABLISHED into "
             "the accept queue of the listening socket."),
        Step("7", "client", "confirmation", "is connected", "connect() returns", "connect(2)",
             "The call returns: for the client the connection exists. The server program may not have noticed yet.",
             "It has received the SYN+ACK and sent the ACK that tells the server so: the three-way handshake is "
             "over, state ESTABLISHED."),
        Step("8", "server", "confirmation", "accepts a new socket", "accept() returns", "accept(2)",
             "The call returns a new socket, for this connection alone. The listening socket keeps listening, and "
             "the loop goes straight back to accept().",
             "It takes the oldest connection from the accept queue, gives it a descriptor, and wakes the process."),
        Step("8a", "server", "confirmation", "the worker says HELLO", "sendall(HELLO …)", "send(2)",
             "The server has handed the connection to a worker, in this model a new thread. It sends the client the "
             "description of its socket: both addresses, the connection's number, and the worker that serves it.",
             "It copies the bytes into the socket's send buffer and sends them as a segment; the client's kernel "
             "acknowledges them."),
        Step("8b", "client", "confirmation", "confirms", "sendall(CONFIRM n)", "send(2)",
             "The client confirms the description by its number. Now both programs know of each other, "
             "and the connection is established for them as well.",
             "It carries the bytes to the worker's socket and wakes the thread that is blocked in recv() on it."),
        Step("9", "client", "conversation", "writes", "sendall(line)", "send(2)",
             "Sends a line. The call returns when the kernel has taken the bytes, not when the server has read them.",
             "It copies them into the send buffer and sends them when the peer's window allows. The stream has no "
             "boundaries: what is written in one call may arrive in several pieces."),
        Step("10", "server", "conversation", "reads, and answers", "recv(), then sendall(answer)", "recv(2)",
             "The worker was blocked in recv(). It gets the bytes that have arrived, puts lines together, lets "
             "the service answer each, and sends the answers.",
             "It wakes the blocked thread when bytes are in the receive buffer, and copies them out of it."),
        Step("11", "client", "conversation", "closes", "close()", "close(2), shutdown(2)",
             "The client has nothing more to send.",
             "It sends a FIN and puts the socket into FIN_WAIT_1, then FIN_WAIT_2. The worker's recv() returns no "
             "bytes: the end of input."),
        Step("12", "server", "conversation", "closes its side", "close()", "close(2)",
             "The worker has sent all that it owed, and closes. Its thread ends; the listening socket is "
             "unaffected.",
             "It sends a FIN, too. When the client's kernel has acknowledged it, the connection is gone. The side "
             "that closed first keeps the pair of addresses in TIME_WAIT for a while, for late segments."),
    )
}  # fmt: skip
