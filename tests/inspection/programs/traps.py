"""Small servers that look like a model other than their own, for the tests of `classify`."""

import asyncio
import os
import select
import selectors
import signal
import socket
import threading
import time
from queue import Queue, SimpleQueue

from server import echo, listen, loop, thread


def loop_with_helpers(host, port):
    """Threads that have nothing to do with clients: a logger that each request wakes, signals, a timer."""
    queue = Queue()

    def log():
        while True:
            queue.get()

    def tick():
        while True:
            time.sleep(0.05)

    for target in (log, tick, lambda: signal.sigwait({signal.SIGUSR1}), lambda: Queue().get()):
        thread(target)

    def answer(connection, data):
        queue.put(data)
        connection.sendall(data)

    loop(host, port, answer=answer)


def loop_with_idle_decoys(host, port):
    loop(host, port, before=lambda connection: thread(threading.Event().wait))


def loop_with_peeking_decoys(host, port):
    def peek(descriptor):
        connection = socket.socket(fileno=os.dup(descriptor))
        connection.setblocking(True)
        try:
            while connection.recv(1, socket.MSG_PEEK):
                time.sleep(0.05)
        except OSError:
            pass
        connection.close()

    # The decoys block although the loop does not: they wait for bytes with MSG_WAITALL on a descriptor of their own.
    def before(connection):
        os.set_blocking(connection.fileno(), True)
        thread(peek, connection.fileno())

    loop(host, port, before=before)


def loop_with_polling_decoys(host, port):
    def watch(descriptor):
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        while not poll.poll()[0][1] & (select.POLLHUP | select.POLLNVAL):
            time.sleep(0.01)

    loop(host, port, before=lambda connection: thread(watch, connection.fileno()))


def napping(host, port, before):
    """Try each connection in turn and nap in between, while others, made by ``before``, wait for them."""
    listener = listen(host, port)
    listener.setblocking(False)
    connections = []
    while True:
        try:
            connections.append(listener.accept()[0])
            connections[-1].setblocking(True)
            before(connections[-1])
        except BlockingIOError:
            pass
        for connection in list(connections):
            try:
                data = connection.recv(4096, socket.MSG_DONTWAIT)
            except BlockingIOError:
                continue
            except OSError:
                data = b""
            if data:
                connection.sendall(data)
            else:
                connections.remove(connection)
                connection.shutdown(socket.SHUT_RDWR)
                connection.close()
        time.sleep(0.005)


def napping_behind_peekers(host, port):
    napping(host, port, lambda connection: thread(connection.recv, 4096, socket.MSG_PEEK | socket.MSG_WAITALL))


def napping_behind_pollers(host, port):
    def wait_for_hangup(descriptor):
        poll = select.poll()
        poll.register(descriptor, 0)
        poll.poll()

    napping(host, port, lambda connection: thread(wait_for_hangup, connection.fileno()))


def loop_forking(host, port):
    """A process is made for each request, and ends before the next look."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    def answer(connection, data):
        if os.fork() == 0:
            connection.sendall(data)
            os._exit(0)

    loop(host, port, answer=answer)


def loop_with_executor(host, port):
    """Workers compute what the loop then sends."""

    async def converse(reader, writer):
        while data := await reader.read(4096):
            writer.write(await asyncio.to_thread(bytes.upper, data))
        writer.close()

    async def main():
        server = await asyncio.start_server(converse, host, port)
        await server.serve_forever()

    asyncio.run(main())


def loop_then_pool(host, port, workers=4):
    """A client goes from the loop to one of a few workers when its first bytes arrive, and stays there."""
    queue = Queue()

    def work():
        while True:
            echo(queue.get())

    for _ in range(workers):
        thread(work)
    listener = listen(host, port)
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is listener:
                    selector.register(listener.accept()[0], selectors.EVENT_READ)
                else:
                    selector.unregister(key.fileobj)
                    queue.put(key.fileobj)


def pool_before_loop(host, port, workers=4):
    """A worker waits for each request; a loop keeps answered clients, but none of them when all workers are busy."""
    keeper = Keeper(listen(host, port), workers)
    for _ in range(workers):
        thread(keeper.work)
    while True:
        for key, _ in keeper.selector.select():
            if key.fileobj is keeper.woken:
                keeper.take_back()
            elif key.fileobj in keeper.kept or (key.fileobj is keeper.listener and keeper.idle):
                keeper.lend(key.fileobj)


class Keeper:
    """The loop of `pool_before_loop`: it keeps clients, and lends them to workers."""

    def __init__(self, listener, workers):
        self.listener, self.idle = listener, workers
        self.queue, self.answered = Queue(), SimpleQueue()
        self.wake, self.woken = socket.socketpair()
        self.selector = selectors.DefaultSelector()
        self.kept = set()
        self.selector.register(self.woken, selectors.EVENT_READ)
        self.selector.register(listener, selectors.EVENT_READ)

    def work(self):
        while True:
            connection = self.queue.get()
            try:
                data = connection.recv(4096)
                connection.sendall(data)
            except OSError:
                data = b""
            self.answered.put((connection, data))
            self.wake.send(b"x")

    def lend(self, file):
        if file is not self.listener:
            self.drop(file)
        self.queue.put(self.listener.accept()[0] if file is self.listener else file)
        self.idle -= 1
        if self.idle == 0:
            self.selector.unregister(self.listener)
            for connection in list(self.kept):
                self.drop(connection)
                connection.close()

    def take_back(self):
        self.woken.recv(1)
        connection, more = self.answered.get()
        if self.idle == 0:
            self.selector.register(self.listener, selectors.EVENT_READ)
        self.idle += 1
        if more:
            self.kept.add(connection)
            self.selector.register(connection, selectors.EVENT_READ)
        else:
            connection.close()

    def drop(self, connection):
        self.kept.discard(connection)
        self.selector.unregister(connection)
