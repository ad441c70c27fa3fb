"""What the output of strace shows, read from lines as it prints them."""

from threadserver.kernel import traced

CLIENT, PAIR = 812, 900
READS = '[pid 71] recvfrom(9<socket:[812]>, ""..., 4096, 0, NULL, NULL) = 5'
SENDS = '[pid 71] sendto(9<socket:[812]>, ""..., 5, MSG_NOSIGNAL, NULL, 0) = 5'
SLEEPS = "[pid 71] epoll_wait(4<anon_inode:[eventpoll]>,  <unfinished ...>"
WORKS = "[pid 72] futex(0x55, FUTEX_WAKE_PRIVATE, 1) = 1"
WAKES = {
    "eventfd": '[pid 71] read(5<anon_inode:[eventfd]>, ""..., 8) = 8',
    "pipe": '[pid 71] read(6<pipe:[33]>, ""..., 16) = 1',
    "pair": '[pid 71] recvfrom(7<socket:[900]>, ""..., 4096, 0, NULL, NULL) = 1',
}


def read(*lines):
    return traced.read("\n".join(lines).encode(), 70, {CLIENT}, frozenset({PAIR}))


def test_a_loop_that_answers_by_itself():
    seen = read(SLEEPS, READS, SENDS, SLEEPS)
    assert (seen.sent, seen.woken, seen.born) == ({71}, set(), False)


def test_a_loop_that_sends_the_answers_of_workers():
    for wakes in WAKES.values():
        assert read(READS, SLEEPS, WORKS, wakes, SENDS).woken == {CLIENT}


def test_a_wake_up_unrelated_to_the_answer():
    nothing = WAKES["pipe"].replace("= 1", "= -1 EAGAIN (Resource temporarily unavailable)")
    upstream = WAKES["pair"].replace("900", "901")  # no pair within the server: a back end that is asked
    for lines in ((WAKES["pipe"], READS, SENDS), (READS, WAKES["pipe"], SENDS), (READS, SLEEPS, nothing, SENDS),
                  (READS, SLEEPS, upstream, SENDS)):  # fmt: skip
        assert not read(*lines).woken


def test_tasks_beside_a_loop():
    handed = "[pid 73] epoll_ctl(4<anon_inode:[eventpoll]>, EPOLL_CTL_MOD, 9<socket:[812]>, {events=EPOLLOUT}) = 0"
    assert read(READS, handed).handed == {73}
    assert read(READS, handed.replace("73", "71")).handed == set()
    assert read(READS, "[pid 71] clone3({flags=CLONE_VM}, 88) = 99").born
    assert read('sendto(9<socket:[812]>, ""..., 5, 0, NULL, 0) = 5').sent == {70}
    assert read(SENDS.replace("812", "813")).sent == set()
