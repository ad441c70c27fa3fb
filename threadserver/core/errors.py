"""The kit's errors: each is one clear line for a person, and knows its exit code."""

import errno
import os


class KitError(Exception):
    """Something that the machine, the network or the other side refused."""

    exit_code = 1


class UsageError(KitError):
    """A request that is wrong on every machine."""

    exit_code = 2


def reason(error: OSError) -> str:
    """Return what went wrong in the kernel's words, in lower case: ``permission denied``.

    The resolver has error codes of its own, so its errors keep their own text.
    """
    if error.errno is not None and error.errno in errno.errorcode:
        return os.strerror(error.errno).lower()
    return (error.strerror or str(error) or type(error).__name__).lower()
