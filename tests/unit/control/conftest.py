"""A home in a temporary folder, and a ward of processes that are ended with the test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from control_ward import Ward

from graced.home.paths import Home


@pytest.fixture
def ward() -> Iterator[Ward]:
    found = Ward()
    yield found
    found.end()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    found = Home(str(tmp_path / "home"))
    found.ensure()
    found.id()
    return found
