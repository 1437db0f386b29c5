"""When a fix of a running kernel's code made things worse."""

import pytest

from graced.core.trials import SETTLE_S, Row, verdict, well
from graced.spec.run import Run

NOW, LATER = 100.0, 200.0


def row(run: int, state: str, started: float = 90.0, alive: bool = True) -> Row:
    return Row(Run("app", run, started=started), state, alive, "")


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (row(3, "ready"), ""),  # the old run lives still
        (row(3, "backoff", alive=False), ""),  # it has ended, the new one is not born
        (row(4, "starting"), ""),
        (row(4, "ready", NOW - SETTLE_S / 2), ""),
        (row(4, "ready", NOW - SETTLE_S), "good"),
        (row(4, "healthy", NOW - SETTLE_S), "good"),
        (row(4, "exited", alive=False), "good"),  # a one-shot that ended well
        (row(4, "backoff", alive=False), "worse"),
        (row(4, "failed", alive=False), "worse"),
        (row(5, "ready"), "worse"),  # it has died once
        (None, "good"),  # a person stopped it
    ],
)
def test_by_the_kernels_row(seen: Row | None, said: str) -> None:
    assert verdict(3, seen, NOW, LATER) == said


def test_past_the_deadline() -> None:
    assert verdict(3, row(4, "starting"), LATER, LATER) == "worse"  # it did not get ready in time
    assert verdict(3, row(3, "ready"), LATER, LATER) == "good"  # it was never restarted: nothing is known against it


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (row(3, "ready", NOW - SETTLE_S), True),
        (row(3, "healthy", NOW - SETTLE_S), True),
        (row(3, "ready", NOW - SETTLE_S / 2), None),  # ready at once is not yet well: it may die every second
        (row(3, "starting", NOW - SETTLE_S), False),
        (row(3, "backoff", NOW - SETTLE_S, alive=False), False),
    ],
)
def test_only_a_run_that_kept_up_obliges_the_next(seen: Row, said: bool | None) -> None:
    assert well(seen, NOW) is said
