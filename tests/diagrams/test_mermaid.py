"""Mermaid text: a participant for each lifeline, a line for each row, and no data that Mermaid takes for syntax."""

import re

import pytest

from threadserver.diagrams.mermaid import escaped, mermaid

LINE = re.compile(r"(?:p\d+->>p\d+|Note over p\d+): (.*)")
TEXT = re.compile(r"(?:[\w .,/=_?!-]|#\d+;)*")


def unescaped(text: str) -> str:
    return re.sub(r"#(\d+);", lambda code: chr(int(code[1])), text)


def test_each_row_is_a_line_and_each_lifeline_a_participant(trace):
    sequence = trace(clients=2).sequence
    first, *lines = mermaid(sequence).splitlines()
    assert first == "sequenceDiagram"
    assert sum(line.strip().startswith("participant ") for line in lines) == len(sequence.lifelines)
    shown = [unescaped(found[1]) for line in lines if (found := LINE.fullmatch(line.strip()))]
    assert shown == [f"{row.step}  {row.text}" if row.step else row.text for row in sequence.rows]


def test_stages_are_rectangles_that_end(trace):
    words = [line.split()[0] for line in mermaid(trace().sequence).splitlines()]
    assert words.count("rect") == words.count("end") == 4
    depth = 0
    for word in words:
        depth += (word == "rect") - (word == "end")
        assert depth in (0, 1)


def test_data_cannot_end_a_line_or_begin_a_statement(hostile):
    for line in mermaid(hostile.sequence).splitlines():
        if found := LINE.fullmatch(line.strip()):
            assert TEXT.fullmatch(found[1])
        else:
            assert re.fullmatch(r"sequenceDiagram|\s+(participant p\d+ as .*|rect rgba\([\d., ]+\)|end)", line)


@pytest.mark.parametrize("text", ["a;b#c:d", "<script>", "%%{init}%%", "\\n", "end", "é €", "#59;"])
def test_escaped_text_reads_as_the_text(text):
    assert TEXT.fullmatch(escaped(text))
    assert unescaped(escaped(text)) == text
