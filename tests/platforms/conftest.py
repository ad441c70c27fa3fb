"""The same small lab as for grading a class."""

from tests.grading.conftest import lab  # noqa: F401
