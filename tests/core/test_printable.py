"""Untrusted text: whatever would steer a terminal or deceive a reader is shown as an escape."""

import os
import sys
import unicodedata

import pytest

from threadserver.core.printable import printable

HARMFUL = {
    "\x00": r"\x00",
    "\x07": r"\x07",
    "\t": r"\t",
    "\n": r"\n",
    "\r": r"\r",
    "\x1b[2J": r"\x1b[2J",
    "\x7f": r"\x7f",
    "\x85": r"\u0085",
    "\x9b31m": r"\u009b31m",
    "\xad": r"\xad",
    "\u2028": r"\u2028",
    "\u2029": r"\u2029",
    "\ue000": r"\ue000",
    "\u0378": r"\u0378",
    "\ud800": r"\ud800",
    "\U000e0041": r"\U000e0041",
    "\u3164": r"\u3164",
}
DIRECTIONS = [*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C]
ZERO_WIDTH = [*range(0x200B, 0x200E), 0x2060, 0xFEFF]
ORDINARY = [
    "a plain name", "C:\\temp\\x", "caf\u00e9", "cafe\u0301", "Übergröße", "сервер", "διακομιστής", "服务器",
    "サーバー", "서버", "שרת", "خادم", "सर्वर", "เซิร์ฟเวอร์", "5\u00a0€", "🧵", "❤\ufe0f", "",
]  # fmt: skip


@pytest.mark.parametrize(("text", "shown"), HARMFUL.items(), ids=HARMFUL.values())
def test_a_harmful_character_is_shown_as_an_escape(text, shown):
    assert printable(f"a{text}b") == f"a{shown}b"


@pytest.mark.parametrize("number", DIRECTIONS + ZERO_WIDTH, ids="{:04x}".format)
def test_a_mark_that_turns_or_hides_text_is_shown_as_an_escape(number):
    assert printable(f"a{chr(number)}b") == f"a\\u{number:04x}b"


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_stays_as_it_is(text):
    assert printable(text) == text


def test_no_character_is_left_that_steers_a_terminal_or_ends_a_line():
    every = map(chr, range(sys.maxunicode + 1))
    steering = {"Cc", "Cf", "Zl", "Zp"}
    # Of the million others, most of them not assigned, every 16th.
    whole = printable("".join(one for one in every if ord(one) % 16 == 0 or unicodedata.category(one) in steering))
    assert whole.splitlines() == [whole]
    assert not {unicodedata.category(one) for one in whole} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    whole.encode()


def test_bytes_are_utf_8_and_a_byte_that_belongs_to_no_character_is_shown_as_one():
    assert printable(os.fsdecode(b"caf\xe9")) == r"caf\xe9"
    assert printable("é€\n".encode() + b"\xff\x9b") == r"é€\n\xff\x9b"


def test_line_ends_and_tabs_are_kept_on_request():
    assert printable("one\n\ttwo\r\x1b\n", keep="\n\t") == "one\n\ttwo\\r\\x1b\n"
