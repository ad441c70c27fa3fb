"""Servers that nobody here wrote, and small ones that set traps: each must be told by its behaviour alone.

`make classify-campaign` does this twenty times over, with busy processes beside.
"""

import pytest

from tests.inspection.catalogue import OWN, SERVERS, missed
from tests.inspection.conftest import have


@pytest.mark.parametrize("known", SERVERS, ids=lambda known: known.name.replace(" ", "-"))
def test_a_real_server(known, examined):
    have(known)
    verdict = examined[known.name].result()
    assert not missed(known, verdict)


@pytest.mark.parametrize("known", OWN, ids=lambda known: known.name)
def test_a_small_server(known, examined):
    verdict = examined[known.name].result()
    assert not missed(known, verdict)
    assert verdict.sentence
    assert verdict.witnesses
