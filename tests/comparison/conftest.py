"""A complete report in a folder."""

import pytest

from tests.comparison.samples import results
from threadserver.comparison.comparison_report import write
from threadserver.comparison.pictures import groups
from threadserver.comparison.summary import Summary


@pytest.fixture(scope="session")
def sample():
    """Return a comparison of fourteen servers; tests must not change it."""
    return Summary(results())


@pytest.fixture(scope="session")
def drawn(sample):
    return groups(sample)


@pytest.fixture(scope="session")
def report(sample, drawn, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    write(sample, drawn, folder)
    return folder
