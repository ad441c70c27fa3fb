"""Old module names: what was written for version 0.1 is still found, and there is only one of each module."""

import sys
from importlib import import_module

import pytest

from threadserver import moved


@pytest.mark.parametrize("old", moved.NEW_NAMES)
def test_an_old_name_is_the_module_of_the_new_name(old):
    module = import_module(old)
    new = moved.NEW_NAMES[old]
    assert module is import_module(new) is sys.modules[old]
    assert module.__spec__.name == module.__name__ == new


def test_a_module_that_never_was_is_not_found():
    with pytest.raises(ModuleNotFoundError):
        import_module("threadserver.nothing")
