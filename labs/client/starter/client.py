"""Your client: python3 client.py HOST PORT. It connects and confirms; you write the rest of the conversation."""

import socket
import sys


def main(host: str, port: str) -> None:
    """Take steps 4 and 5, confirm what HELLO says, and converse."""
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)  # 4
    connection.connect((host, int(port)))  # 5, 7. TODO: no server there? One line on stderr, exit code 1
    hello = connection.recv(4096).decode()  # TODO: is the line complete? Is it HELLO at all?
    number = hello.partition("connection=")[2].split()[0]
    connection.sendall(f"CONFIRM {number}\n".encode())  # 8b
    # TODO 9: send each line of standard input (sys.stdin.buffer holds bytes, not text).
    # TODO: print each answer on standard output (sys.stdout.buffer), in whatever pieces it comes.
    # TODO: at the end of input wait for the answers that are still owed. Did all of them come?
    connection.close()  # 11


if __name__ == "__main__":
    main(*sys.argv[1:3])
