"""The kit's errors: each is one clear line for a person, and knows its exit code."""

import errno
import os


class KitError(Exception):
    """Something that the machine, the network or the other side refused."""

    exit_code = 1


class UsageError(KitError):
    """Something that was asked for wrongly, and would be refused on every machine."""

    exit_code = 2


def reason(error: OSError) -> str:
    """Say in the kernel's words, in lower case, what went wrong: ``permission denied``.

    An error of the resolver has a code of its own, so its own text is taken.
    """
    if error.errno is not None and error.errno in errno.errorcode:
        return os.strerror(error.errno).lower()
    return (error.strerror or str(error) or type(error).__name__).lower()
