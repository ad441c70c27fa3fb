"""What the lab `client` checks: a conversation with a server that does what the check says.

No check asks for more than the contract: a client may send a line when it is written or when its input has ended, may
half-close or close, may print at once or at the end, may wait for each answer before it sends the next line or not. So
the input ends early only where that is the question; else it ends when all is answered, or as soon as the client does
nothing more without.
"""

from threadserver.judge import points
from threadserver.judge.caller import Caller
from threadserver.judge.scripted import ScriptedServer

LONGEST = 65_535  # bytes of a line, without its LF
MANY = 400  # lines of a thousand bytes: more than the buffers of both directions hold


def converse(client: Caller, server: ScriptedServer, questions: list[bytes], answers: list[bytes]) -> None:
    """Start the client, give it these lines, and answer them one by one, as many as there are answers."""
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
    """End the input and then the connection, whatever the client does, and look at what it has printed."""
    client.settle()
    client.end_input()
    client.settle()
    server.half_close()
    client.expect_exit(f"got {len(answers)} answers, its input has ended, and the server has closed")
    client.expect_printed(printed(answers), f"got {len(answers)} answers")


def printed(answers: list[bytes]) -> bytes:
    """Give what these answers are on standard output."""
    return b"".join(answer + b"\n" for answer in answers)


def drawn(server: ScriptedServer, count: int, words: str = "line") -> list[bytes]:
    """Draw lines that no client can know beforehand."""
    return [f"{words} {number} {server.random.randrange(10**9)}".encode() for number in range(1, count + 1)]


@points(
    8,
    "it connects to the HOST and PORT that it is given, and confirms what HELLO says",
    hint="connect((host, int(port))), receive the first line, take the number after connection=, and send CONFIRM, that "
    "number and an LF.",
)
def test_reaches(client: Caller, server: ScriptedServer) -> None:
    """Say HELLO with a number that nobody can guess."""
    client.start(server.address)
    server.greet()


@points(
    4,
    "it sends nothing before HELLO has come, all of it",
    after="reaches",
    hint="HELLO ends with an LF, like every line, and may come in pieces: receive until the LF is there, then look at it.",
)
def test_confirms_first(client: Caller, server: ScriptedServer) -> None:
    """Say HELLO in three pieces: cut in the middle of the number, and before the LF."""
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
    hint="The line goes out with its LF, the answer comes back with an LF: print that line, as it is, on standard output. "
    "HELLO is no answer. What you want to tell a person belongs on standard error.",
)
def test_answers(client: Caller, server: ScriptedServer) -> None:
    """Answer something else than was asked: nobody can print it who has not received it."""
    questions, answers = drawn(server, 4), drawn(server, 4, "the answer to")
    converse(client, server, questions, answers)
    finish(client, server, answers)


@points(
    8,
    "an answer may come in any pieces",
    after="not_early",
    hint="One recv() is not one answer. Collect what comes, and take lines out of it while it holds an LF.",
)
def test_pieces(client: Caller, server: ScriptedServer) -> None:
    """Send each piece of an answer when the client has read the one before; the last answer after the end of input."""
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
    hint="Read sys.stdin.buffer and write sys.stdout.buffer: bytes, nothing decoded, nothing stripped but the one LF. "
    "An empty line is a line.",
)
def test_bytes(client: Caller, server: ScriptedServer) -> None:
    """Send and answer lines of every kind of byte but LF."""
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
    hint="65 536 bytes with the LF: sendall() sends all of it, and recv() needs many calls for it.",
)
def test_long(client: Caller, server: ScriptedServer) -> None:
    """Send a line of 65 536 bytes, its LF included, and answer with another one."""
    long = [server.random.randbytes(LONGEST // 2 + 1).hex().encode()[:LONGEST] for _ in range(2)]
    questions, answers = [long[0], b"a short one"], [long[1], b"short, too"]
    converse(client, server, questions, answers)
    finish(client, server, answers)


@points(
    8,
    "when its input has ended and every answer has come it half-closes or closes, and ends with exit code 0",
    after="answers",
    hint="shutdown(SHUT_WR) at the end of input says that no line follows; the server then closes, and your recv() returns "
    "b''. Or count: as many answers as lines, then close.",
)
def test_end(client: Caller, server: ScriptedServer) -> None:
    """End the input after some lines, and in another run at once. The server does not close first."""
    for count in (3, 0):
        answers = drawn(server, count, "answer")
        converse(client, server, drawn(server, count), answers)
        client.settle()
        client.end_input()
        awaiting = f"was given {count} lines, got {count} answers, and its input has ended"
        server.expect_end(f"{awaiting}: it had to half-close or to close")
        server.half_close()
        client.expect_success(printed(answers), awaiting)


@points(
    6,
    "it waits for an answer that is still on its way when its input has ended",
    after="answers",
    hint="The end of input is not the end of the conversation: shutdown(SHUT_WR) instead of close(), and go on receiving.",
)
def test_not_early(client: Caller, server: ScriptedServer) -> None:
    """Hold the last answer back until the client has done all that it does at the end of its input."""
    questions, answers = drawn(server, 3), drawn(server, 3, "answer")
    converse(client, server, questions, answers[:2])
    client.end_input()
    server.expect_line(questions[2])
    client.settle()
    if client.ended is not None:
        raise client.wrong("Your client has ended although an answer was still on its way")
    server.send(answers[2] + b"\n")
    server.await_read()
    finish(client, server, answers)


@points(
    7,
    "answers may come late, and many of them at once",
    after="answers",
    hint="What recv() returns may hold many answers: print all that are complete. Whether a line goes out before the answer to "
    "the one before has come is your choice; that nothing is lost is not.",
)
def test_pipeline(client: Caller, server: ScriptedServer) -> None:
    """Answer nothing until the client has sent all that it sends without an answer; then all of that in one piece."""
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
    "it sends and receives more than all buffers hold, and nobody waits for ever",
    after="answers",
    hint="Who sends everything before the first recv() stops when the buffers are full: the server cannot send its answers, so "
    "it reads no more. Receive while you send.",
)
def test_large(client: Caller, server: ScriptedServer) -> None:
    """Send each answer whole before the next line is read, as simple servers do."""
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
    hint="Look at the first word of the first line before you look for a number. sys.exit('text') prints one line on standard "
    "error and ends with 1.",
)
def test_refused(client: Caller, server: ScriptedServer) -> None:
    """Refuse it as a server does that has no room."""
    client.start(server.address)
    client.write(b"nobody will read this")
    client.end_input()
    server.accept()
    server.send(b"ERROR server is full\n")
    server.half_close()
    client.expect_complaint("was told ERROR server is full instead of HELLO")


@points(
    4,
    "nobody listens: exit code 1, and one line on standard error",
    after="reaches",
    hint="connect() raises ConnectionRefusedError: catch OSError around the whole, and say in one line what happened.",
)
def test_absent(client: Caller, server: ScriptedServer) -> None:
    """Give it a port at which nobody listens."""
    server.refuse_connections()
    client.start(server.address)
    client.write(b"nobody will read this")
    client.end_input()
    client.expect_complaint("was started with a PORT at which nobody listens")


@points(
    4,
    "anything else instead of HELLO: exit code 1, one line on standard error, and no CONFIRM",
    after="reaches",
    hint="Confirm only what you have understood: the line begins with HELLO and holds connection= and a number. The server "
    "may also end before HELLO is complete.",
)
def test_bad_hello(client: Caller, server: ScriptedServer) -> None:
    """Greet as other servers do, or with half a HELLO, and leave the connection open; or close without a greeting."""
    for greeting in (b"220 mail.example.org ESMTP 7\n", b"HELLO\n", b"HELLO connection=seven\n", b"\0\xff 7\n"):
        client.start(server.address)
        client.write(b"nobody will read this")
        client.end_input()
        server.accept()
        server.send(greeting)
        client.settle()
        if server.has_come():
            raise client.wrong(f"Your client was greeted with {greeting!r} and sent something all the same")
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
    hint="recv() returns b'': the server has said its last. Has every line that you sent been answered? Count both.",
)
def test_closes(client: Caller, server: ScriptedServer) -> None:
    """Answer the first line of three, and close."""
    questions, answers = drawn(server, 3), drawn(server, 1, "answer")
    converse(client, server, questions, answers)
    server.expect_line(questions[1])
    server.half_close()
    client.expect_complaint("had 3 lines, got one answer, and the server closed")
    client.expect_printed(printed(answers), "got one answer before the server closed")


@points(
    4,
    "the connection is reset: exit code 1, and one line on standard error",
    after="answers",
    hint="recv() and sendall() raise ConnectionResetError or BrokenPipeError: both are OSError. A thread's exception does not "
    "end the program, and its traceback is more than one line.",
)
def test_resets(client: Caller, server: ScriptedServer) -> None:
    """Reset the connection before HELLO, and in another run while an answer is owed."""
    client.start(server.address)
    client.write(b"nobody will read this")
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
    "it waits for a server that is silent for long",
    after="answers",
    hint="A blocking recv() waits as long as it takes. Nothing has come yet does not mean that nothing will.",
)
def test_silent(client: Caller, server: ScriptedServer) -> None:
    """Be silent before HELLO, before an answer and in the middle of it, until the client would have given up."""
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
    hint="A service answers ERROR when it cannot use its input, and the conversation goes on. Print it.",
)
def test_error_answer(client: Caller, server: ScriptedServer) -> None:
    """Answer the first of two lines with ERROR."""
    questions, answers = drawn(server, 2), [b"ERROR not a number", b"and so it goes on"]
    converse(client, server, questions, answers)
    finish(client, server, answers)
