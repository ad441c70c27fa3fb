"""The system calls in which servers wait, by the number that /proc/PID/task/TID/syscall shows.

A number belongs to a call on one architecture only. Sources: syscalls(2), and the kernel's
arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h (the latter is that of aarch64).
"""

import platform

# name: number on x86_64, number on aarch64 (None: it has none), which argument is a descriptor (None: no argument)
_CALLS: dict[str, tuple[int, int | None, int | None]] = {
    "read": (0, 63, 0),
    "write": (1, 64, 0),
    "poll": (7, None, None),
    "ioctl": (16, 29, 0),
    "pread64": (17, 67, 0),
    "pwrite64": (18, 68, 0),
    "readv": (19, 65, 0),
    "writev": (20, 66, 0),
    "select": (23, None, None),
    "pause": (34, None, None),
    "nanosleep": (35, 101, None),
    "sendfile": (40, 71, 0),
    "connect": (42, 203, 0),
    "accept": (43, 202, 0),
    "sendto": (44, 206, 0),
    "recvfrom": (45, 207, 0),
    "sendmsg": (46, 211, 0),
    "recvmsg": (47, 212, 0),
    "clone": (56, 220, None),
    "fork": (57, None, None),
    "vfork": (58, None, None),
    "wait4": (61, 260, None),
    "semop": (65, 193, None),
    "msgsnd": (69, 189, None),
    "msgrcv": (70, 188, None),
    "fcntl": (72, 25, 0),
    "flock": (73, 32, 0),
    "fsync": (74, 82, 0),
    "fdatasync": (75, 83, 0),
    "rt_sigtimedwait": (128, 137, None),
    "rt_sigsuspend": (130, 133, None),
    "futex": (202, 98, None),
    "io_getevents": (208, 4, None),
    "io_submit": (209, 2, None),
    "restart_syscall": (219, 128, None),
    "semtimedop": (220, 192, None),
    "clock_nanosleep": (230, 115, None),
    "epoll_wait": (232, None, 0),
    "epoll_ctl": (233, 21, 0),
    "mq_timedsend": (242, 182, 0),
    "mq_timedreceive": (243, 183, 0),
    "waitid": (247, 95, None),
    "pselect6": (270, 72, None),
    "ppoll": (271, 73, None),
    "splice": (275, 76, 0),
    "tee": (276, 77, 0),
    "vmsplice": (278, 75, 0),
    "epoll_pwait": (281, 22, 0),
    "accept4": (288, 242, 0),
    "preadv": (295, 69, 0),
    "pwritev": (296, 70, 0),
    "recvmmsg": (299, 243, 0),
    "sendmmsg": (307, 269, 0),
    "preadv2": (327, 286, 0),
    "pwritev2": (328, 287, 0),
    "io_pgetevents": (333, 292, None),
    "io_uring_setup": (425, 425, None),
    "io_uring_enter": (426, 426, 0),
    "clone3": (435, 435, None),
    "epoll_pwait2": (441, 441, 0),
    "futex_waitv": (449, 449, None),
    "futex_wait": (455, 455, None),
}

_COLUMN = {"x86_64": 0, "aarch64": 1}.get(platform.machine())

NAMES: dict[int, str] = {
    number: name for name, numbers in _CALLS.items() if _COLUMN is not None and (number := numbers[_COLUMN]) is not None
}
"""The names of the calls of this machine, by number; empty on a machine whose numbers are not known here."""

DESCRIPTOR: dict[str, int] = {name: argument for name, (_, _, argument) in _CALLS.items() if argument is not None}
"""Which argument of a call is the descriptor that it works on."""

ACCEPT = {"accept", "accept4"}
RECEIVE = {"read", "readv", "pread64", "preadv", "preadv2", "recvfrom", "recvmsg", "recvmmsg"}
SEND = {
    "write", "writev", "pwrite64", "pwritev", "pwritev2", "sendto", "sendmsg", "sendmmsg", "sendfile", "splice",
}  # fmt: skip
POLL = {"poll", "ppoll"}
SELECT = {"select", "pselect6"}
RING = "io_uring_enter"
EPOLL = {"epoll_wait", "epoll_pwait", "epoll_pwait2"}
READINESS = POLL | SELECT | EPOLL
CHILD = {"wait4", "waitid"}
SLEEP = {"nanosleep", "clock_nanosleep", "pause"}
SIGNAL = {"rt_sigtimedwait", "rt_sigsuspend", "pause"}
LOCK = {"futex", "futex_wait", "futex_waitv", "flock", "fcntl", "semop", "semtimedop"}
MESSAGE = {"msgrcv", "mq_timedreceive", "io_getevents", "io_pgetevents"}
WAIT = READINESS | RECEIVE | CHILD | SLEEP | SIGNAL | LOCK | MESSAGE | {"restart_syscall"}
"""Calls in which a task waits for something that another one does, or for a time."""
BIRTH = {"clone", "clone3", "fork", "vfork"}

FAMILY = {
    **dict.fromkeys(POLL, "poll"),
    **dict.fromkeys(SELECT, "select"),
    **dict.fromkeys(EPOLL, "epoll"),
}
"""The mechanism of each call that waits for readiness."""
