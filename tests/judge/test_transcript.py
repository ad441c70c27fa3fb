"""The transcript: how a student sees a conversation that went wrong."""

from threadserver.judge.transcript import Transcript, counted


def test_an_event_that_happens_to_several_clients_in_a_row_is_one_line():
    transcript = Transcript()
    for number in (1, 2, 3):
        transcript.note(f"client {number}", "connects")
    assert transcript.text() == "clients 1 to 3: each connects"


def test_an_event_noted_twice_for_one_client_is_shown_once():
    transcript = Transcript()
    transcript.note("client 1", "sees the end")
    transcript.note("client 1", "sees the end")
    assert transcript.text() == "client 1    sees the end"


def test_a_caret_stands_below_the_first_wrong_byte():
    transcript = Transcript()
    transcript.mark("client 1", b"hell0\n", b"hello\n")
    line, caret = transcript.text().splitlines()
    assert caret.index("^") == line.index("0")
    assert "expected 'o\\n' here, at byte 5" in caret.replace("\\\\", "\\")


def test_a_number_and_its_noun_agree():
    assert [counted(1, "client"), counted(2, "process"), counted(0, "byte")] == ["1 client", "2 processes", "0 bytes"]


def test_a_mark_is_escaped_once_and_its_caret_stands_below_the_wrong_byte():
    transcript = Transcript()
    transcript.mark("client 1", b"a" * 80 + b"\nx", b"a" * 80 + b"\ny")
    shown, caret = transcript.text().splitlines()
    assert shown == "client 1   < …" + "a" * 24 + r"\nx"
    assert shown[caret.index("^")] == "x"
