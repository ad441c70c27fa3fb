"""What the lab `client` checks: a conversation with a server that does what the check says.

No check asks for more than the contract. A client may send a line when it reads it or when its input has ended; it may
half-close or close, print at once or at the end, and wait for each answer before it sends the next line or not. So the
input ends early only where a check is about that. Otherwise it ends when all lines are answered, or as soon as the client
does nothing more without it.
"""

from threadserver.judge import points
from threadserver.judge.caller import Caller
from threadserver.judge.scripted import ScriptedServer

LONGEST = 65_535  # bytes of a line, without its LF
MANY = 400  # lines of a thousand bytes: more than the buffers of both directions hold


def converse(client: Caller, server: ScriptedServer, questions: list[bytes], answers: list[bytes]) -> None:
    """Start the client, give it these lines, and answer them one by one while there are answers."""
    begin(client, server, questions)
    for question, answer in zip(questions, answers, strict=False):
        server.expect_line(question)
        server.send(answer + b"\n")
        server.await_read()


def begin(client: Caller, server: ScriptedServer, questions: list[bytes]) -> None:
    """Start the client, greet it, and give it these lines."""
    client.start(server.address)
    server.greet()
    client.write(*questions)


def finish(client: Caller, server: ScriptedServer, answers: list[bytes]) -> None:
    """End the input, then the connection, whatever the client does, and check what it has printed."""
    client.settle()
    client.end_input()
    client.settle()
    server.half_close()
    client.expect_exit(f"got {_answers(answers)}, its input has ended, and the server has closed")
    client.expect_printed(printed(answers), f"got {_answers(answers)}")


def printed(answers: list[bytes]) -> bytes:
    """Return these answers as they appear on standard output."""
    return b"".join(answer + b"\n" for answer in answers)


def _answers(answers: list[bytes]) -> str:
    return "1 answer" if len(answers) == 1 else f"{len(answers)} answers"


def drawn(server: ScriptedServer, count: int, words: str = "line") -> list[bytes]:
    """Draw ``count`` lines that no client can know beforehand."""
    return [f"{words} {number} {server.random.randrange(10**9)}".encode() for number in range(1, count + 1)]


@points(
    8,
    "it connects to the given HOST and PORT, and confirms the number in HELLO",
    hint="Call connect((host, int(port))), receive the first line, take the number after connection=, and send CONFIRM, that "
    "number and an LF.",
)
def test_reaches(client: Caller, server: ScriptedServer) -> None:
    """Send HELLO with a number that cannot be guessed."""
    client.start(server.address)
    server.greet()


@points(
    4,
    "it sends nothing until all of HELLO has arrived",
    after="reaches",
    hint="HELLO ends with an LF, like every line, and may come in pieces: receive until the LF is there, then parse it.",
)
def test_confirms_first(client: Caller, server: ScriptedServer) -> None:
    """Send HELLO in 3 pieces, cut in the middle of the number and before the LF."""
    client.start(server.address)
    client.write(b"a line that has to wait")
    server.accept()
    server.expect_nothing("there was no HELLO yet")
    hello = server.hello
    in_number = hello.index(b"connection=") + len(b"connection=") + 3
    for start, end in ((0, in_number), (in_number, len(hello) - 1)):
        server.send(hello[start:end])
        server.await_read()
        server.expect_nothing("HELLO was not complete")
    server.send(hello[-1:])
    server.expect_confirm()


@points(
    10,
    "it sends each line of its input, and prints each answer and nothing else",
    after="reaches",
    hint="Send each line with its LF; the answer comes back with an LF. Print it unchanged on standard output. HELLO is not an "
    "answer. Messages for a person belong on standard error.",
)
def test_answers(client: Caller, server: ScriptedServer) -> None:
    """Answer something other than what was sent: only a client that has received it can print it."""
    questions, answers = drawn(server, 4), drawn(server, 4, "the answer to")
    converse(client, server, questions, answers)
    finish(client, server, answers)


@points(
    8,
    "an answer may come in any pieces",
    after="not_early",
    hint="One recv() is not one answer. Collect the bytes in a buffer, and take lines out of it while it holds an LF.",
)
def test_pieces(client: Caller, server: ScriptedServer) -> None:
    """Send each piece of an answer when the client has read the one before; the last answer after end of input."""
    questions, answers = drawn(server, 4), [b"an answer", b"", *drawn(server, 2, "an answer in pieces, the number")]
    begin(client, server, questions)
    for question, answer in zip(questions, answers, strict=True):
        server.expect_line(question)
        if question is questions[-1]:
            client.end_input()
        line = answer + b"\n"
        server.send_in_pieces(line, *server.cuts(line, longest=7))
    finish(client, server, answers)


@points(
    6,
    "lines and answers may hold any bytes",
    after="answers",
    hint="Read sys.stdin.buffer and write sys.stdout.buffer: bytes, never decoded, with nothing stripped but the one LF. "
    "An empty line is a line.",
)
def test_bytes(client: Caller, server: ScriptedServer) -> None:
    """Exchange lines with every kind of byte except LF."""
    every_byte = bytes(byte for byte in range(256) if byte != 0x0A)
    random = server.random.randbytes(300).replace(b"\n", b"")
    questions = [b"", b"  blanks around\t ", b"a\rb\r", b"\0nul\0", b"\xff\xfe\x85", every_byte, random, b"last"]
    answers = [b"\xfe\xff\r", b"", b" \t", every_byte[::-1], b"\0", b"\r\r", random[::-1], b"last"]
    converse(client, server, questions, answers)
    finish(client, server, answers)


@points(
    5,
    "lines and answers may be as long as the protocol allows",
    after="answers",
    hint="65 536 bytes with the LF: sendall() sends all of them, and recv() needs many calls to receive them.",
)
def test_long(client: Caller, server: ScriptedServer) -> None:
    """Give the client a line of 65 536 bytes, LF included, and answer with another one."""
    long = [server.random.randbytes(LONGEST // 2 + 1).hex().encode()[:LONGEST] for _ in range(2)]
    questions, answers = [long[0], b"a short one"], [long[1], b"short, too"]
    converse(client, server, questions, answers)
    finish(client, server, answers)


@points(
    8,
    "when its input has ended and every answer has come, it half-closes or closes, and exits with code 0",
    after="answers",
    hint="At the end of input, shutdown(SHUT_WR) tells the server that no line follows; the server then closes, and your "
    "recv() returns b''. Or count: close after as many answers as lines.",
)
def test_end(client: Caller, server: ScriptedServer) -> None:
    """End the input after 3 lines, and in another run at once. The server does not close first."""
    for count in (3, 0):
        answers = drawn(server, count, "answer")
        converse(client, server, drawn(server, count), answers)
        client.settle()
        client.end_input()
        awaiting = f"was given {count} lines, got {_answers(answers)}, and its input has ended"
        server.expect_end(f"{awaiting}: it had to half-close or to close")
        server.half_close()
        client.expect_success(printed(answers), awaiting)


@points(
    6,
    "it waits for answers that are still owed when its input ends",
    after="answers",
    hint="The end of input is not the end of the conversation: shutdown(SHUT_WR) instead of close(), and go on receiving.",
)
def test_not_early(client: Caller, server: ScriptedServer) -> None:
    """Hold back the last answer until the client has done all that it does at the end of its input."""
    questions, answers = drawn(server, 3), drawn(server, 3, "answer")
    converse(client, server, questions, answers[:2])
    client.end_input()
    server.expect_line(questions[2])
    client.settle()
    if client.ended is not None:
        raise client.wrong("Your client has ended although an answer was still owed")
    server.send(answers[2] + b"\n")
    server.await_read()
    finish(client, server, answers)


@points(
    7,
    "answers may come late, and many at once",
    after="answers",
    hint="One recv() may return many answers: print all that are complete. You may send a line before the previous one is "
    "answered, or wait; but lose nothing.",
)
def test_pipeline(client: Caller, server: ScriptedServer) -> None:
    """Answer nothing until the client sends no more without an answer; then answer everything in one piece."""
    questions, answers = drawn(server, 12), drawn(server, 12, "answer")
    begin(client, server, questions)
    answered = asked = 0
    while answered < len(questions):
        while asked < len(questions) and (asked == answered or server.sends_more()):
            server.expect_line(questions[asked])
            asked += 1
        server.send(printed(answers[answered:asked]))
        server.await_read()
        answered = asked
    finish(client, server, answers)


@points(
    7,
    "it can send and receive more than all buffers hold without a deadlock",
    after="answers",
    hint="A client that sends everything before the first recv() gets stuck when the buffers are full: the server cannot send "
    "its answers, so it stops reading. Receive while you send.",
)
def test_large(client: Caller, server: ScriptedServer) -> None:
    """Send each answer whole before reading the next line, as simple servers do."""
    questions = [line.ljust(1000, b".") for line in drawn(server, MANY)]
    answers = [line.ljust(1000, b"-") for line in drawn(server, MANY, "answer")]
    begin(client, server, questions)
    for question, answer in zip(questions, answers, strict=True):
        server.expect_line(question)
        server.send(answer + b"\n", reading=False)
    server.await_read()
    finish(client, server, answers)


@points(
    5,
    "ERROR instead of HELLO: exit code 1, and one line on standard error",
    after="reaches",
    hint="Check the first word of the first line before you look for a number. sys.exit('text') prints the text on standard "
    "error and exits with code 1.",
)
def test_refused(client: Caller, server: ScriptedServer) -> None:
    """Refuse the client as a full server does."""
    client.start(server.address)
    client.write(b"this will not be read")
    client.end_input()
    server.accept()
    server.send(b"ERROR server is full\n")
    server.half_close()
    client.expect_complaint("was told ERROR server is full instead of HELLO")


@points(
    4,
    "no server listens: exit code 1, and one line on standard error",
    after="reaches",
    hint="connect() raises ConnectionRefusedError: catch OSError around everything, and report it in one line.",
)
def test_absent(client: Caller, server: ScriptedServer) -> None:
    """Give the client a port at which no server listens."""
    server.refuse_connections()
    client.start(server.address)
    client.write(b"this will not be read")
    client.end_input()
    client.expect_complaint("was started with a PORT at which no server listens")


@points(
    4,
    "anything else instead of HELLO: exit code 1, one line on standard error, and no CONFIRM",
    after="reaches",
    hint="Confirm only what you have understood: a line that begins with HELLO and holds connection= and a number. The server "
    "may also close before HELLO is complete.",
)
def test_bad_hello(client: Caller, server: ScriptedServer) -> None:
    """Greet as other servers do, or with a bad HELLO, and stay connected; or close before HELLO is complete."""
    for greeting in (b"220 mail.example.org ESMTP 7\n", b"HELLO\n", b"HELLO connection=seven\n", b"\0\xff 7\n"):
        client.start(server.address)
        client.write(b"this will not be read")
        client.end_input()
        server.accept()
        server.send(greeting)
        client.settle()
        if server.has_come():
            raise client.wrong(f"Your client was greeted with {greeting!r} and still sent something")
        client.expect_complaint(f"was greeted with {greeting!r}")
    for beginning in (b"", b"HELLO server=tcp://127.0.0.1:7000 client=tcp:"):
        client.start(server.address)
        client.end_input()
        server.accept()
        server.send(beginning)
        server.half_close()
        client.expect_complaint(f"was greeted with {beginning!r} and the end of the connection")


@points(
    6,
    "the server closes while it owes answers: exit code 1, and one line on standard error",
    after="answers",
    hint="recv() returns b'': the server has closed. Has every line that you sent been answered? Count both.",
)
def test_closes(client: Caller, server: ScriptedServer) -> None:
    """Answer the first line of three, and close."""
    questions, answers = drawn(server, 3), drawn(server, 1, "answer")
    converse(client, server, questions, answers)
    server.expect_line(questions[1])
    server.half_close()
    client.expect_complaint("had 3 lines, got 1 answer, and the server closed")
    client.expect_printed(printed(answers), "got 1 answer before the server closed")


@points(
    4,
    "the connection is reset: exit code 1, and one line on standard error",
    after="answers",
    hint="recv() and sendall() raise ConnectionResetError or BrokenPipeError; both are OSError. An exception in a thread does "
    "not end the program, and its traceback is more than one line.",
)
def test_resets(client: Caller, server: ScriptedServer) -> None:
    """Reset the connection before HELLO, and in another run while an answer is owed."""
    client.start(server.address)
    client.write(b"this will not be read")
    client.end_input()
    server.accept()
    server.reset()
    client.expect_complaint("was connected, and the server reset the connection before HELLO")
    begin(client, server, questions := drawn(server, 2))
    server.expect_line(questions[0])
    server.reset()
    client.expect_complaint("waited for an answer, and the server reset the connection")


@points(
    5,
    "it waits for a server that is silent for a long time",
    after="answers",
    hint="A blocking recv() waits as long as it takes. That nothing has come yet does not mean that nothing will.",
)
def test_silent(client: Caller, server: ScriptedServer) -> None:
    """Be silent before HELLO, before an answer and inside it, until an impatient client would have given up."""
    questions, answers = drawn(server, 2), drawn(server, 2, "answer")
    client.start(server.address)
    server.accept()
    _be_silent(client, "before HELLO")
    server.send(server.hello)
    server.expect_confirm()
    client.write(*questions)
    for question, answer in zip(questions, answers, strict=True):
        server.expect_line(question)
        _be_silent(client, "before an answer")
        server.send(answer[:5])
        server.await_read()
        _be_silent(client, "in the middle of an answer")
        server.send(answer[5:] + b"\n")
        server.await_read()
    finish(client, server, answers)


def _be_silent(client: Caller, when: str) -> None:
    client.outwait()
    if client.ended is not None:
        raise client.wrong(f"The server was silent {when}, and your client did not wait for it")


@points(
    3,
    "after CONFIRM a line that begins with ERROR is an answer like any other",
    after="answers",
    hint="A service answers ERROR when it cannot use its input, and the conversation goes on. Print it like any answer.",
)
def test_error_answer(client: Caller, server: ScriptedServer) -> None:
    """Answer the first of two lines with ERROR."""
    questions, answers = drawn(server, 2), [b"ERROR not a number", b"and so it goes on"]
    converse(client, server, questions, answers)
    finish(client, server, answers)
