"""The servers to measure against: ``python -m tests.speed.peers socketserver|bare PORT``. They echo lines."""

import socket
import socketserver
import sys
from threading import Thread


class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)


class ThreadingServer(socketserver.ThreadingTCPServer):
    request_queue_size = 4096
    allow_reuse_address = True
    daemon_threads = True  # as the kit's are; otherwise it also keeps, and searches, a list of them all


def bare(port):
    def converse(connection):
        with connection:
            while data := connection.recv(16_384):
                connection.sendall(data)

    with socket.create_server(("127.0.0.1", port), backlog=4096) as listener:
        while True:
            connection, _ = listener.accept()
            Thread(target=converse, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    if sys.argv[1] == "bare":
        bare(int(sys.argv[2]))
    with ThreadingServer(("127.0.0.1", int(sys.argv[2])), Echo) as server:
        server.serve_forever()
