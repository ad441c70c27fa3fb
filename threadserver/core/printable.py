"""Text that others wrote, made safe to print: it cannot move the cursor, hide a part of itself or turn a line around.

A process may call itself ``ESC [2J``, and a file name may hold a line end or the mark that turns text from right to
left. Everything of that kind goes through `printable` before a terminal, a page or a log gets it.
"""

import unicodedata

_HARMFUL = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""The general categories (Unicode Standard, table 4-4) of characters that steer, join, hide or mean nothing: control
and format characters, among them bidirectional controls and zero-width characters, surrogates, characters for private
use or not assigned, and the separators of lines and paragraphs."""
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0")
"""Letters and marks that are drawn as nothing, such as the Hangul filler."""


def printable(text: str | bytes, *, keep: str = "") -> str:
    r"""Return a text with each harmful character as a visible escape, such as ``\x1b``, ``\n`` or ``\u202e``.

    Bytes are read as UTF-8; a byte that belongs to no character is shown as ``\xff``, also where Python has put it
    into a string as a surrogate (PEP 383). Ordinary text of every language, backslashes included, stays as it is.
    ``keep`` lists harmful characters that stay, too: ``keep="\n\t"`` for a text of several lines.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    if text.isascii() and text.isprintable():
        return text
    return "".join(one if one in keep or not _is_harmful(one) else _escape(one) for one in text)


def _is_harmful(character: str) -> bool:
    return unicodedata.category(character) in _HARMFUL or character in _BLANK


def _escape(character: str) -> str:
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:
        return f"\\x{number - 0xDC00:02x}"
    if 0x80 <= number <= 0x9F:  # a character, other than the byte of this number
        return f"\\u{number:04x}"
    return character.encode("unicode_escape").decode()
