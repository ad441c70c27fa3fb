import os

from threadserver.core.running import run_until_signalled
from threadserver.core.server import Server


def test_a_late_check_for_signals_reads_from_no_other_descriptor():
    late = []
    run_until_signalled(Server, lambda _: None, lambda server: late.append(server.timeouts.before_each_check))
    readable, writable = os.pipe2(os.O_NONBLOCK)  # has the number that was just given back
    try:
        os.write(writable, b"somebody else's")
        late[0]()
        assert os.read(readable, 100) == b"somebody else's"
    finally:
        os.close(readable)
        os.close(writable)


def test_a_forked_child_does_not_read_the_signals_of_its_parent():
    def serve(server):
        look = server.timeouts.before_each_check
        if child := os.fork():
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        else:
            readable, writable = os.pipe2(os.O_NONBLOCK)
            os.write(writable, b"somebody else's")
            look()
            os._exit(os.read(readable, 100) != b"somebody else's")

    run_until_signalled(Server, serve)
