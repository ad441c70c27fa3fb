from datetime import datetime
from time import thread_time

import pytest

from threadserver.core import services
from threadserver.core.errors import UsageError
from threadserver.core.services import SERVICES, find


def test_the_services_answer_as_their_names_say():
    assert services.echo(b"a\xffb") == b"a\xffb"
    assert services.discard(b"anything") is None
    assert services.upper(b"abc") == b"ABC"
    assert datetime.fromisoformat(services.daytime(b"").decode()).tzinfo is not None
    assert services.octets(b"10") == b"x" * 9
    assert services.sleep(b"1") == b"1"


def test_chargen_begins_each_line_one_character_later():
    first, second = services.chargen(b""), services.chargen(b"")
    assert len(first) == len(second) == 72
    assert second.startswith(first[1:])


def test_spin_computes_for_as_long_as_it_is_told():
    before = thread_time()
    assert services.spin(b"20") == b"20"
    assert thread_time() - before >= 0.02


@pytest.mark.parametrize("name", ["octets", "sleep", "spin"])
@pytest.mark.parametrize("line", [b"", b"x", b"-1", b"1.5", b"99999", b"9" * 5000, b"\xd9\xa1"])
def test_a_useless_input_is_answered_with_an_error(name, line):
    assert SERVICES[name](line).startswith(b"ERROR " + name.encode())


def test_a_users_own_service_is_found_by_its_path(tmp_path):
    (tmp_path / "socket.py").write_text("def reverse(line):\n    return line[::-1]\n")
    assert find(f"{tmp_path}/socket.py:reverse")(b"abc") == b"cba"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "no such file"),
        ("def other(line): ...", "has no function reverse"),
        ("reverse = 5", "has no function reverse"),
        ("def reverse(:\n", "line 1"),
        ("import nothing_of_this_name", "ModuleNotFoundError"),
        ("raise SystemExit(0)", "SystemExit"),
    ],
)
def test_a_file_without_the_service_is_refused_in_one_line(tmp_path, text, says):
    if text is not None:
        (tmp_path / "mine.py").write_text(text)
    with pytest.raises(UsageError, match=says) as failure:
        find(f"{tmp_path}/mine.py:reverse")
    assert "\n" not in str(failure.value)


def test_an_unknown_service_is_an_error_that_lists_the_known_ones():
    with pytest.raises(UsageError, match=r"unknown service 'ehco': there are echo, discard.* or your own"):
        find("ehco")
