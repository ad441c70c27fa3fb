"""Rude clients: other clients must not notice them, and they must leave nothing behind."""

import socket

import pytest

from tests.conftest import confirm, read_all, read_line


def resets(sock):
    confirm(sock)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.sendall(b"half a li")


def resets_before_it_is_greeted(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def half_closes(sock):
    confirm(sock)
    sock.sendall(b"one\ntwo\nlast")
    sock.shutdown(socket.SHUT_WR)
    assert read_all(sock) == b"one\ntwo\nlast"


def sends_one_byte_at_a_time(sock):
    number = int(read_line(sock).split(b"connection=")[1].split()[0])
    for byte in b"CONFIRM %d\none\n" % number:
        sock.sendall(bytes([byte]))
    assert read_line(sock) == b"one\n"


def sends_lines_together_with_its_confirmation(sock):
    number = int(read_line(sock).split(b"connection=")[1].split()[0])
    sock.sendall(b"CONFIRM %d\none\ntwo\n" % number)
    assert read_line(sock) + read_line(sock) == b"one\ntwo\n"


def leaves_without_confirming(sock):
    read_line(sock)
    sock.shutdown(socket.SHUT_WR)
    assert read_all(sock) == b""


def confirms_wrongly(sock):
    number = int(read_line(sock).split(b"connection=")[1].split()[0])
    sock.sendall(b"CONFIRM %d\nhello\n" % (number + 1))
    assert read_all(sock) == b"ERROR confirmation expected: CONFIRM %d\n" % number


def sends_the_longest_line(sock):
    confirm(sock)
    line = b"x" * 65_535 + b"\n"
    sock.sendall(line)
    assert read_line(sock) == line


def sends_a_line_too_long(sock):
    confirm(sock)
    sock.sendall(b"x" * 65_536 + b"\n")
    assert read_all(sock) == b"ERROR line longer than 65536 bytes\n"


def sends_much_more_than_a_line(sock):
    confirm(sock)
    try:
        sock.sendall(b"x" * 1_000_000)
    except (BrokenPipeError, ConnectionResetError):
        return
    assert read_all(sock) == b"ERROR line longer than 65536 bytes\n"


def sends_bytes_that_are_no_text(sock):
    confirm(sock)
    sock.sendall(b"\xff\xfe\x00\x80\n")
    assert read_line(sock) == b"\xff\xfe\x00\x80\n"


def never_reads_its_answers(sock):
    confirm(sock)
    sock.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            sock.send(b"x" * 1000 + b"\n")


RUDE = [
    resets,
    resets_before_it_is_greeted,
    half_closes,
    sends_one_byte_at_a_time,
    sends_lines_together_with_its_confirmation,
    leaves_without_confirming,
    confirms_wrongly,
    sends_the_longest_line,
    sends_a_line_too_long,
    sends_much_more_than_a_line,
    sends_bytes_that_are_no_text,
    never_reads_its_answers,
]
