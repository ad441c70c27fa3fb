"""Shared checks for every server lab, part one: the conversation. 36 points in total.

They hold for every correct server of any model, so none of them needs two clients to be served at once.
"""

from threadserver.core.address import Address
from threadserver.judge.aside import Aside
from threadserver.judge.checks.rest import must_rest
from threadserver.judge.marking import points
from threadserver.judge.outcomes import WrongError
from threadserver.judge.peer import Peer
from threadserver.judge.trial import Trial

__all__ = [
    "test_any_bytes",
    "test_confirmation",
    "test_description",
    "test_echo",
    "test_greeting",
    "test_half_close",
    "test_host",
    "test_listens",
    "test_long_lines",
    "test_numbers",
    "test_owed_at_the_end",
    "test_pieces",
    "test_rests",
    "test_several_lines",
    "test_silence",
    "test_slow_reader",
    "test_worker",
]

LONG = 60_000  # bytes of a line that no buffer of the judge's network can hold
MAX_LINE = 65_536
MORE = b"and more\n"
"""What a client sends while the server cannot send the answers that it owes it."""


@points(
    1,
    "it starts and listens at the given HOST and PORT",
    hint="Read both from sys.argv: bind((host, int(port))), then listen().",
)
def test_listens(server: Trial) -> None:
    """Connect: the fixture has waited until the kernel showed the listening socket."""
    server.connect()


@points(
    1,
    "it listens at HOST alone",
    after="listens",
    hint="HOST and PORT are one address: bind to it as given. An empty host, or 0.0.0.0, means every address of the "
    "machine, so every computer on the network could connect.",
)
def test_host(server: Trial) -> None:
    """Look in the kernel's tables where the program listens: HOST was drawn from 127.0.0.0/8."""
    if others := [str(one) for one in server.listens_at() if one != server.address]:
        raise WrongError(
            f"Your program was started with HOST {server.address.host} and PORT {server.address.port}. It listens at "
            f"{' and '.join(others)}"
        )


@points(
    2,
    "a client that connects gets HELLO, in the form that the protocol defines",
    after="listens",
    hint=(
        "Send one line as soon as a client is accepted: HELLO server=… client=… connection=… worker=…, with one "
        "space between the parts and an LF at the end."
    ),
)
def test_greeting(server: Trial) -> None:
    """Expect a well-formed HELLO."""
    peer = server.connect()
    hello = peer.hello()
    if hello.connection < 1:
        raise peer.wrong(f"HELLO says connection={hello.connection}; connections are numbered from 1")


@points(
    2,
    "HELLO gives the addresses of both ends of the connection",
    after="greeting",
    hint=(
        "server= is getsockname() and client= getpeername() of the socket that accept() returned, each written as "
        "tcp://HOST:PORT."
    ),
)
def test_description(server: Trial) -> None:
    """Compare both addresses with those that the kernel reports to the client; the second time, HOST is 0.0.0.0."""
    _describes_both_ends(server)
    with server.listening_everywhere() as other:  # then the listening socket's own address differs
        _describes_both_ends(other)


def _describes_both_ends(server: Trial) -> None:
    peer = server.connect()
    hello = peer.hello()
    _same(peer, "server", hello.server, server.address)
    _same(peer, "client", hello.client, peer.address)


def _same(peer: Peer, field: str, said: str, true: Address) -> None:
    if said != str(true):
        raise peer.wrong(f"HELLO says {field}={said}; the kernel says {true}")


@points(
    2,
    "HELLO names a worker that exists",
    after="greeting",
    hint=(
        "worker= is os.getpid(), a slash, and threading.get_native_id() of the task that serves (in C: getpid() and "
        "gettid()). threading.get_ident() is Python's own number, which the kernel does not know."
    ),
)
def test_worker(server: Trial) -> None:
    """Look up the worker in the kernel's tables while its client is connected."""
    peer = server.greet()
    assert peer.greeting is not None  # noqa: S101
    server.settle()
    inner = server.situation().inner.values()
    known = {f"{pid}/{tid}" for pid, tid in inner}
    if peer.greeting.worker not in known | {str(pid) for pid, _ in inner}:
        raise peer.wrong(
            f"HELLO says worker={peer.greeting.worker}, but the kernel knows no such task of your program; "
            f"there are {', '.join(sorted(known))}"
        )


@points(
    2,
    "each connection of a server has its own number",
    after="greeting",
    hint="Count connections where they are accepted: that is the one place that sees them all.",
)
def test_numbers(server: Trial) -> None:
    """Let 40 to 60 clients come one after another, and leave when they are confirmed."""
    for _ in range(server.fewer(server.some(40, 60))):
        peer = server.greet()
        if peer.greeting and peer.repeats:
            number = peer.greeting.connection
            raise peer.wrong(f"{peer.name} and {peer.repeats} were both told connection={number}")
        peer.close()


@points(
    2,
    "after CONFIRM each line comes back unchanged",
    after="greeting",
    hint="Read until an LF arrives, send the line back with its LF, and go on until recv() returns b''.",
)
def test_echo(server: Trial) -> None:
    """Send 4 plain lines, each after the answer to the one before."""
    peer = server.greet()
    for number in range(4):
        peer.ask(b"hello, line %d" % number)


@points(
    2,
    "while no client sends anything, the server waits",
    after="echo",
    hint=(
        "accept(), recv() and select() wait in the kernel until something happens, at no cost. When recv() returns b'' "
        "the client has ended its side: leave the loop, and close. With a time-out of 0, or a short sleep before the "
        "next try, the server polls instead of waiting."
    ),
)
def test_rests(server: Trial) -> None:
    """Let one client be silent, and look; then let it half-close and leave, and look again."""
    peer = server.greet()
    peer.ask(b"hello")
    must_rest(server, "one client was connected and sent nothing")
    peer.ask(b"still there?")
    peer.half_close()
    server.settle()
    peer.close()
    must_rest(server, "no client was connected")


@points(
    2,
    "a line may hold any bytes, or none",
    after="echo",
    hint="Work with bytes, not text: no decode(), no strip(), no C string functions. Only the LF ends a line.",
)
def test_any_bytes(server: Trial) -> None:
    """Send lines with every kind of byte except LF."""
    peer = server.greet()
    every_byte = bytes(byte for byte in range(256) if byte != 0x0A)
    drawn = server.random.randbytes(400).replace(b"\n", b"")
    for line in (b"", b" blanks around ", b"CONFIRM 1", b"a\r", b"\0nul", b"\xff\xfe", every_byte, drawn, b""):
        peer.ask(line)


@points(
    4,
    "anything but the right CONFIRM gets an ERROR, then the server closes",
    after="echo",
    hint=(
        "Compare the first line with b'CONFIRM ' and the number of this connection (a CR may precede the LF). "
        "If they differ, send the ERROR line and close."
    ),
)
def test_confirmation(server: Trial) -> None:
    """Send wrong first lines, one client each, then the right one with a CR."""
    for wrong in WRONG:
        peer = server.connect()
        number = peer.hello().connection
        said = wrong % (number + 1000) if b"%d" in wrong else wrong.replace(b"{}", b"%d" % number)
        peer.send(said + b"\n")
        shown = said.decode() or "an empty line"
        peer.expect_error(f"confirmation expected: CONFIRM {number}", f"sent {shown} instead of CONFIRM {number}")
        peer.close()
    _confirms_for_another(server)
    peer = server.connect()
    peer.send(b"CONFIRM %d\r\n" % peer.hello().connection)
    server.await_read(peer)
    peer.ask(b"confirmed with CR LF")


WRONG = (
    b"CONFIRM %d", b"confirm {}", b"hello", b"", b"CONFIRM", b"CONFIRM {} {}", b"CONFIRM 1 1", b"CONFIRM x{}",
    b"CONFIRM {}x", b"CONFIRM {}0", b"CONFIRM 0", b"CONFIRM -1", b"CONFIRM -{}", b"CONFIRM{}",
    b"please CONFIRM {}", b"{}",
)  # fmt: skip
"""First lines that do not confirm: {} stands for the right number, %d for one that no client has."""


def _confirms_for_another(server: Trial) -> None:
    """Let a client confirm with the number of another: one that is connected, or that has just left."""
    first, second = server.greet(), server.connect()
    assert first.greeting is not None  # noqa: S101
    server.settle()
    if not second.has_come():
        first.close()
    right, other = second.hello().connection, first.greeting.connection
    if right != other:  # otherwise the check `numbers` fails
        second.send(b"CONFIRM %d\n" % other)
        said = f"sent CONFIRM {other}, the number of {first.name},"
        second.expect_error(f"confirmation expected: CONFIRM {right}", said)
    first.close()
    second.close()


@points(
    3,
    "bytes may come in any pieces, and each answer is sent as soon as its line is complete",
    after="echo",
    hint="One recv() is not one line. Collect the bytes in a buffer, and take lines out of it while it holds an LF.",
)
def test_pieces(server: Trial) -> None:
    """Cut the conversation at random places, and let the server read each piece before the next is sent."""
    peer = server.connect()
    whole = b"CONFIRM %d\n" % peer.hello().connection + b"one line\nanother, a longer line\nand a last one\n"
    sent, answered = b"", 0
    while sent != whole:
        piece = whole[len(sent) :][: server.some(1, 9)]
        peer.send(piece)
        sent += piece
        due = sent.split(b"\n")[1:-1]
        for line in due[answered:]:
            peer.expect(line + b"\n", f"sent the last piece of {line!r} and expected that line back")
        answered = max(answered, len(due))
        peer.expect_nothing("its line is not complete yet")


@points(
    3,
    "several lines that come at once are all answered, in order",
    after="echo",
    hint="After you take a line out of the buffer, look for another one there before you call recv() again.",
)
def test_several_lines(server: Trial) -> None:
    """Send CONFIRM and 30 lines in one segment, then 100 more lines in a few."""
    peer = server.connect()
    lines = [b"line %d" % number for number in range(30)]
    peer.send(b"CONFIRM %d\n" % peer.hello().connection + b"".join(line + b"\n" for line in lines))
    for line in lines:
        peer.expect(line + b"\n", "sent CONFIRM and 30 lines in one piece, and expected every line back")
    more = b"".join(server.random.randbytes(90).hex().encode() + b"\n" for _ in range(100))
    peer.send(more)
    peer.expect(more, "sent 100 lines without waiting, and expected every line back")


@points(
    3,
    "the longest allowed line comes back whole, and a longer one gets an ERROR",
    after="echo",
    hint="A line of up to 65536 bytes, its LF included, comes in many pieces: keep them all until the LF, and send all "
    "of the answer. Then add the limit: 65536 bytes without an LF are too many.",
)
def test_long_lines(server: Trial) -> None:
    """Send a line of exactly 65 536 bytes, its LF included; then, in another conversation, far more without any LF."""
    peer = server.greet()
    peer.ask(text(server, MAX_LINE - 1))
    peer.ask(b"and a short one")
    peer.close()
    peer = server.greet()
    peer.send(b"x" * (MAX_LINE + 4096))
    peer.expect_error(f"line longer than {MAX_LINE} bytes", f"sent {MAX_LINE + 4096} bytes without LF")


@points(
    2,
    "a client that half-closes gets every answer that it is owed, then the server closes",
    after="echo",
    hint="recv() returns b'' when the client has sent everything. Answer what came before, then close.",
)
def test_half_close(server: Trial) -> None:
    """Send lines and the end of input in one segment; then, in another conversation, only half-close."""
    peer = server.greet()
    lines = b"".join(b"owed %d\n" % number for number in range(20))
    peer.send_last(lines)
    server.settle()  # a hard close loses what the kernel has not sent yet
    peer.expect(lines, "sent 20 lines, half-closed, and expected 20 answers")
    peer.expect_end("half-closed and got all its answers")
    peer = server.greet()
    peer.ask(b"only this")
    peer.half_close()
    peer.expect_end("half-closed after its last answer")


@points(
    2,
    "a large answer reaches a slow reader whole",
    after="echo",
    hint=(
        "send() may take only part of the data, and returns how much; sendall() goes on until all is sent. Without "
        "blocking, keep the rest and send it when the socket is writable."
    ),
)
def test_slow_reader(server: Trial) -> None:
    """Ask for more than all buffers hold, and for a little more once the server is stuck; then read in small pieces."""
    peer = server.greet(small_buffer=True)
    line = text(server, LONG)
    peer.send(line + b"\n", reading=False)
    server.settle()
    peer.send(MORE, reading=False)
    server.settle()
    peer.read_slowly(line + b"\n", f"sent a line of {LONG} bytes, read slowly, and expected it back whole")
    peer.expect(MORE, "sent a short line while it did not read a large answer, and expected it back after that")
    peer.ask(b"and a short one")


@points(
    1,
    "a large answer is not lost when its client half-closes before reading it",
    after=("half_close", "slow_reader"),
    hint="The client's half-close may arrive while an answer is still being sent. Close when all is sent.",
)
def test_owed_at_the_end(server: Trial) -> None:
    """Half-close while the server is stuck with a large answer; the second time, send 1 more line with it."""
    for more in (b"", MORE):
        peer = server.greet(small_buffer=True)
        line = text(server, LONG)
        peer.send(line + b"\n", reading=False)
        server.settle()
        peer.send_last(more)
        server.settle()
        owed = f"sent a line of {LONG} bytes, half-closed before reading, and expected it back whole"
        peer.read_slowly(line + b"\n", owed)
        peer.expect(more, "sent a line and half-closed while it did not read a large answer, and expected it back, too")
        peer.expect_end("half-closed and got its whole large answer")


@points(
    2,
    "a client that has confirmed may be silent for a long time",
    after=("pieces", "rests"),
    hint="The limit of 5 s is for CONFIRM alone: once CONFIRM has come, remove the time-out (settimeout(None), cancel "
    "the timer, alarm(0)). The next line may come after minutes.",
)
def test_silence(aside: Aside) -> None:
    """Let clients be silent after CONFIRM for longer than its time limit, while other checks run; then each asks."""
    aside.ask_each()


def text(server: Trial, size: int) -> bytes:
    """Return a random line of ``size`` bytes, without LF, that no server can know beforehand."""
    return server.random.randbytes(size // 2 + 1).hex().encode()[:size]
