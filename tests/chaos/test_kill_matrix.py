"""Every non-empty proper subset of the seven members is killed at once, and whoever is left rebuilds the whole."""

import itertools
import random
import time
from collections.abc import Iterable
from typing import Final

import pytest
from support.deadlines import STRICT, percentile, told
from support.fixtures import COUNTERS
from support.home import RECOVERY_S, Graced
from support.whole import assert_whole, counters
from support.witness import ROLES

pytestmark = pytest.mark.chaos

Subset = tuple[str, ...]
SEED: Final = 126
PAUSE_MAX_S: Final = 0.1
P50_SPAWNER_LIVES_S: Final = 0.150
P50_SPAWNER_KILLED_S: Final = 0.500

ALL: Final[list[Subset]] = [s for size in range(1, 7) for s in itertools.combinations(ROLES, size)]
HEALERS: Final[Subset] = ("self_healing", "coding_agent")
SELECTED: Final[list[Subset]] = [
    *((role,) for role in ROLES),
    HEALERS,
    ("watchdog", "self_healing"),
    ("watchdog", "coding_agent"),
    ("spawner", "watchdog"),
    ("spawner", "self_healing"),
    ("spawner", "watchdog", *HEALERS),
    ("trigger", "parliament", "architect"),
    *(tuple(role for role in ROLES if role != survivor) for survivor in ROLES),
]
"""One of each kind: singles, pairs that matter, and each member as the only survivor."""


def kill_and_recover(graced: Graced, subset: Subset) -> float:
    """Seconds from the kill until status is healthy, with everything that must hold then."""
    kernels, before = counters(graced), graced.incarnations()
    began = time.monotonic()
    dead = graced.kill(*subset)
    took_s = graced.await_healthy(newer={role: before[role] for role in subset}, began=began)
    assert_whole(graced, kernels, dead.values())
    return took_s


def run_matrix(graced: Graced, subsets: Iterable[Subset]) -> dict[Subset, float]:
    """One after the other in one home; the pause between two is random, as deaths are."""
    pauses = random.Random(SEED)
    took: dict[Subset, float] = {}
    for subset in subsets:
        took[subset] = kill_and_recover(graced, subset)
        time.sleep(pauses.uniform(0, PAUSE_MAX_S))
    code, status = graced.told()
    assert (code, status["healthy"]) == (0, True)
    return took


def report(took: dict[Subset, float]) -> tuple[float, float]:
    """Prints the times; the medians with the spawner alive and killed."""
    lives = [s for subset, s in took.items() if "spawner" not in subset]
    killed = [s for subset, s in took.items() if "spawner" in subset]
    print(f"spawner lives:  {told(lives)}\nspawner killed: {told(killed)}")
    slowest = sorted(took.items(), key=lambda item: -item[1])[:5]
    print("slowest: " + "; ".join(f"{'+'.join(subset)} {s * 1000:.0f} ms" for subset, s in slowest))
    return percentile(lives, 0.5), percentile(killed, 0.5)


def test_a_selection_of_subsets_recovers(graced: Graced) -> None:
    report(run_matrix(graced, SELECTED))


@pytest.mark.slow
def test_every_subset_recovers_in_time(graced: Graced) -> None:
    subsets = list(ALL)
    random.Random(SEED).shuffle(subsets)
    took = run_matrix(graced, subsets)
    assert len(took) == 126
    lives, killed = report(took)
    assert max(took.values()) <= RECOVERY_S or not STRICT
    if STRICT:
        assert lives <= P50_SPAWNER_LIVES_S
        assert killed <= P50_SPAWNER_KILLED_S


def test_all_seven_dead_at_once_and_a_start_adopts_the_kernels(graced: Graced) -> None:
    kernels, before = counters(graced), graced.incarnations()
    dead = graced.kill(*ROLES)
    code, status = graced.told()
    assert (code, status["mode"], status["source"]) == (3, "stopped", "disk")
    assert {name: row["pid"] for name, row in status["kernels"].items()} == {n: i.pid for n, i in kernels.items()}
    graced.ok("start")
    graced.await_healthy(newer=before)
    assert_whole(graced, kernels, dead.values())
    assert {name: row["run"] for name, row in graced.status()["kernels"].items()} == dict.fromkeys(COUNTERS, 1)
