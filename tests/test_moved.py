"""Old names: code for version 0.1 still works, and each module exists only once."""

import sys
from configparser import ConfigParser
from importlib import import_module
from pathlib import Path

import pytest

import threadserver
from threadserver import Conversation, Server, moved
from threadserver.clients import client_conversation
from threadserver.core import timeouts
from threadserver.core.address import Address
from threadserver.core.services import echo


@pytest.mark.parametrize("old", moved.NEW_NAMES)
def test_an_old_name_is_the_module_of_the_new_name(old):
    module = import_module(old)
    new = moved.NEW_NAMES[old]
    assert module is import_module(new) is sys.modules[old]
    assert module.__spec__.name == module.__name__ == new


def test_a_module_that_never_was_is_not_found():
    with pytest.raises(ModuleNotFoundError):
        import_module("threadserver.nothing")


def test_old_members_and_attributes_still_work():
    from threadserver.conversation import Hello
    from threadserver.limits import AlarmLimits, Limits

    assert Hello is client_conversation.Hello
    assert (Limits, AlarmLimits) == (timeouts.Timeouts, timeouts.AlarmTimeouts)
    with Server() as server:
        assert server.limits is server.timeouts
        server.limit_by(Limits)
        assert type(server.limits) is timeouts.Timeouts
        assert server.listen_apart == server.own_listener
        assert server.limits.last_words == server.timeouts.half_close
        assert server.children.lacking == server.children.wait_for_vacancy
        assert server.children.lacking(1)


def test_a_name_that_a_module_never_had_is_not_found():
    with pytest.raises(ImportError, match="cannot import name 'Nothing'"):
        from threadserver.conversation import Nothing  # noqa: F401


def test_a_users_own_conversation_may_set_the_old_flags():
    class Once(Conversation):
        def receive(self, data):
            self.refused = self.finished = True
            return [data]

    side = Once(echo, 7, Address.parse("unix:"), Address.parse("unix:"))
    assert (side.established, side.finished, side.refused) == (False, False, False)
    side.established = True
    assert (side.established, side.finished, side.refused) == (True, False, False)
    assert side.receive(b"x") == [b"x"]
    assert (side.finished, side.refused) == (True, True)


def test_the_version_is_that_of_setup_cfg():
    settings = ConfigParser()
    settings.read(Path(__file__).parents[1] / "setup.cfg")
    assert threadserver.__version__ == settings["metadata"]["version"]
    with pytest.raises(AttributeError):
        _ = threadserver.nothing
