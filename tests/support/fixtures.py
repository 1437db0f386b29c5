"""The fixtures of tests/real and tests/chaos. `make` gives homes, `graced` one that runs with three counters."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from graced.members.recorded import FOLDER
from graced.sim.conformance import replay
from support.home import Graced

COUNTERS: Final = ("one", "two", "three")

Make = Callable[..., Graced]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short, as a socket's path has 107 bytes, and gone afterwards."""
    path = Path(tempfile.mkdtemp(prefix="graced-test-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def make(folder: Path, request: pytest.FixtureRequest) -> Iterator[Make]:
    """Homes that are not started; each one is killed off at the end whatever happened.

    In tests of chaos every member records what its core is told, and the core must answer the same again.
    """
    made: list[Graced] = []
    recorded = folder / "recorded" if request.node.get_closest_marker("chaos") else None

    def one(kernels: Mapping[str, Any] | None = None, name: str = "", **config: Any) -> Graced:
        place = folder / (name or f"g{len(made)}")
        place.mkdir()
        made.append(Graced(place, {**config, "kernels": kernels or {}}))
        if recorded is not None:
            recorded.mkdir(exist_ok=True)
            made[-1].environ[FOLDER] = str(recorded)
        return made[-1]

    yield one
    for each in made:
        each.close()
    if recorded is not None:
        assert_conforms(recorded)


def assert_conforms(recorded: Path) -> None:
    """The pure core answers each recorded event as the member did."""
    differ = []
    for path in sorted(recorded.glob("*.steps")):
        _, difference = replay(path.read_bytes())
        differ += [f"{path.name}: {difference}"] if difference else []
    assert differ == []


@pytest.fixture
def graced(make: Make) -> Iterator[Graced]:
    """Runs with three counters at the fast timing; at the end it stops, and nothing may be left."""
    one = running_counters(make)
    yield one
    one.stop_and_prove()


def running_counters(make: Make, **config: Any) -> Graced:
    """A started home with three kernels that count."""
    one = make(**config)
    kernels = {name: one.counter(name) for name in COUNTERS}
    one.write({**config, "kernels": kernels})
    one.start()
    one.growing(*COUNTERS)
    return one
