"""Small servers, one for each model, for `inspect` and `classify`: ``server.py KIND HOST PORT``; more in traps."""

import itertools
import os
import select
import selectors
import signal
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from queue import Queue


def listen(host, port, backlog=1024, reuse_port=False):
    if host.startswith(("/", "@")):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(host.replace("@", "\0"))
        listener.listen(backlog)
        return listener
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse_port:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((host, port))
    listener.listen(backlog)
    return listener


def echo(connection):
    """Answer until the client has gone."""
    with connection:
        try:
            while data := connection.recv(4096):
                connection.sendall(data)
        except OSError:
            pass


def accepted(listener):
    while True:
        yield listener.accept()[0]


def thread(target, *args):
    threading.Thread(target=target, args=args, daemon=True).start()


def iterative(host, port):
    for connection in accepted(listen(host, port)):
        echo(connection)


def iterative_small_backlog(host, port):
    for connection in accepted(listen(host, port, 0)):
        echo(connection)


def iterative_joined(host, port):
    for connection in accepted(listen(host, port)):
        worker = threading.Thread(target=echo, args=(connection,))
        worker.start()
        worker.join()


def iterative_locked(host, port):
    lock = threading.Lock()

    def locked(connection):
        with lock:
            echo(connection)

    for connection in accepted(listen(host, port)):
        thread(locked, connection)


def iterative_forked(host, port):
    listener = listen(host, port)
    for connection in accepted(listener):
        if os.fork() == 0:
            echo(connection)
            os._exit(0)
        connection.close()
        os.wait()


def threads(host, port):
    for connection in accepted(listen(host, port)):
        thread(echo, connection)


def threads_with_timeout(host, port):
    for connection in accepted(listen(host, port)):
        connection.settimeout(60)
        thread(echo, connection)


def threads_with_selectors(host, port):
    def wait_and_echo(connection):
        with selectors.DefaultSelector() as selector, connection:
            selector.register(connection, selectors.EVENT_READ)
            while selector.select(60) and (data := connection.recv(4096)):
                connection.sendall(data)

    for connection in accepted(listen(host, port)):
        thread(wait_and_echo, connection)


def threads_on_first_bytes(host, port):
    """A thread is made when a client's first bytes have arrived."""
    listener = listen(host, port)
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is listener:
                    selector.register(listener.accept()[0], selectors.EVENT_READ)
                else:
                    selector.unregister(key.fileobj)
                    thread(echo, key.fileobj)


def pool_prethreaded(host, port, workers=4):
    listener = listen(host, port)

    def work():
        for connection in accepted(listener):
            echo(connection)

    for _ in range(workers):
        thread(work)
    signal.pause()


def pool_queue(host, port, workers=4):
    queue = Queue()

    def work():
        while True:
            echo(queue.get())

    for _ in range(workers):
        thread(work)
    for connection in accepted(listen(host, port)):
        queue.put(connection)


def pool_of_one(host, port):
    pool_queue(host, port, 1)


def pool_lazy(host, port, workers=5):
    with ThreadPoolExecutor(workers) as pool:
        for connection in accepted(listen(host, port)):
            pool.submit(echo, connection)


def pool_lazy_large(host, port):
    pool_lazy(host, port, 70)


def pool_with_timeout(host, port):
    with ThreadPoolExecutor(4) as pool:
        for connection in accepted(listen(host, port)):
            connection.settimeout(60)
            pool.submit(echo, connection)


def forks(host, port):
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = listen(host, port)
    for connection in accepted(listener):
        if os.fork() == 0:
            listener.close()
            echo(connection)
            os._exit(0)
        connection.close()


def forks_leaking(host, port):
    """The parent also keeps every connection open, and does not wait for its children."""
    kept = []
    for connection in accepted(listen(host, port)):
        if os.fork() == 0:
            echo(connection)
            os._exit(0)
        kept.append(connection)


def forks_twice(host, port):
    """Each connection goes to a grandchild that the server no longer knows."""
    for connection in accepted(listen(host, port)):
        if os.fork() == 0:
            if os.fork() == 0:
                os.setsid()
                echo(connection)
            os._exit(0)
        connection.close()
        os.wait()


def prefork(host, port, workers=4):
    listener = listen(host, port)
    for _ in range(workers):
        if os.fork() == 0:
            for connection in accepted(listener):
                echo(connection)
    signal.pause()


def prefork_locked(host, port, workers=3):
    import fcntl
    import tempfile

    listener = listen(host, port)
    name = tempfile.mkstemp()[1]
    for _ in range(workers):
        if os.fork() == 0:
            with open(name) as lock:
                while True:
                    fcntl.flock(lock, fcntl.LOCK_EX)
                    connection = listener.accept()[0]
                    fcntl.flock(lock, fcntl.LOCK_UN)
                    echo(connection)
    signal.pause()


def prefork_selecting(host, port, workers=3):
    listener = listen(host, port)
    listener.setblocking(False)
    for _ in range(workers):
        if os.fork() == 0:
            while True:
                select.select([listener], [], [])
                try:
                    connection = listener.accept()[0]
                except BlockingIOError:
                    continue
                connection.setblocking(True)
                echo(connection)
    signal.pause()


def prefork_passing(host, port, workers=3):
    """One process accepts for all, and hands each connection over by SCM_RIGHTS: UNIX Network Programming, 30.9."""
    listener = listen(host, port)
    ways = []
    for _ in range(workers):
        ours, theirs = socket.socketpair()
        ways.append(ours)
        if os.fork() == 0:
            listener.close()
            while True:
                echo(socket.socket(fileno=socket.recv_fds(theirs, 1, 1)[1][0]))
    for number in itertools.count():
        connection = listener.accept()[0]
        socket.send_fds(ways[number % workers], [b"x"], [connection.fileno()])
        connection.close()


def prefork_reuse_port(host, port, workers=3):
    for _ in range(workers):
        if os.fork() == 0:
            for connection in accepted(listen(host, port, reuse_port=True)):
                echo(connection)
    signal.pause()


def loop(host, port, selector_class=selectors.DefaultSelector, listener=None, before=None, answer=None):
    listener = listener or listen(host, port)
    listener.setblocking(False)
    selector = selector_class()
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                try:
                    connection = listener.accept()[0]
                except BlockingIOError:
                    continue
                connection.setblocking(False)
                selector.register(connection, selectors.EVENT_READ)
                if before:
                    before(connection)
                continue
            try:
                data = key.fileobj.recv(4096)
            except BlockingIOError:
                continue
            except OSError:
                data = b""
            if not data:
                selector.unregister(key.fileobj)
                key.fileobj.close()
            elif answer:
                answer(key.fileobj, data)
            else:
                key.fileobj.sendall(data)


def loop_select(host, port):
    loop(host, port, selectors.SelectSelector)


def loop_poll(host, port):
    loop(host, port, selectors.PollSelector)


def loop_epoll(host, port):
    loop(host, port, selectors.EpollSelector)


def loop_tired(host, port):
    """Tries each connection in turn, and sleeps in between: a loop that uses none of the mechanisms."""
    listener = listen(host, port)
    listener.setblocking(False)
    connections = []
    while True:
        try:
            connections.append(listener.accept()[0])
            connections[-1].setblocking(False)
        except BlockingIOError:
            pass
        for connection in list(connections):
            try:
                data = connection.recv(4096)
            except BlockingIOError:
                continue
            if not data:
                connections.remove(connection)
                connection.close()
            else:
                connection.sendall(data)
        time.sleep(0.01)


def loops_processes(host, port, workers=3):
    listener = listen(host, port)
    for _ in range(workers):
        if os.fork() == 0:
            loop(host, port, listener=listener)
    signal.pause()


def loops_threads(host, port, workers=3):
    """One thread accepts and hands out the connections in turn."""
    selector_of = [selectors.DefaultSelector() for _ in range(workers)]

    def run(selector):
        while True:
            for key, _ in selector.select(None if selector.get_map() else 0.01):
                try:
                    data = key.fileobj.recv(4096)
                except OSError:
                    data = b""
                if data:
                    key.fileobj.sendall(data)
                else:
                    selector.unregister(key.fileobj)
                    key.fileobj.close()

    for selector in selector_of:
        thread(run, selector)
    for number, connection in enumerate(accepted(listen(host, port))):
        selector_of[number % workers].register(connection, selectors.EVENT_READ)


def loop_and_workers(host, port, workers=4):
    queue = Queue()

    def work():
        while True:
            connection, data = queue.get()
            time.sleep(0.002)
            connection.sendall(data)

    for _ in range(workers):
        thread(work)
    loop(host, port, answer=lambda connection, data: queue.put((connection, data)))


def supervised(host, port):
    """A parent that restarts its only worker, and never touches a socket."""
    while True:
        if os.fork() == 0:
            loop(host, port)
        os.wait()


def deferred(host, port):
    listener = listen(host, port)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 30)
    for connection in accepted(listener):
        thread(echo, connection)


def closes_at_once(host, port):
    for connection in accepted(listen(host, port)):
        connection.close()


def dies(host, port):
    listener = listen(host, port)
    kept = [listener.accept()[0] for _ in range(2)]
    os._exit(len(kept))


def limited(host, port, most=6):
    """A thread for each connection, up to a limit: more clients are turned away."""
    room = threading.Semaphore(most)

    def serve(connection):
        try:
            echo(connection)
        finally:
            room.release()

    for connection in accepted(listen(host, port)):
        if room.acquire(blocking=False):
            thread(serve, connection)
        else:
            connection.close()


def daemon(host, port):
    """Forks twice, leaves its session, and serves."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            threads(host, port)
        os._exit(0)
    os.wait()


if __name__ == "__main__":
    import traps

    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    kind = globals().get(sys.argv[1]) or getattr(traps, sys.argv[1])
    kind(sys.argv[2], int(sys.argv[3]))
