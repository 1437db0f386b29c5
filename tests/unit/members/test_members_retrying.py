"""When a task that failed for what may pass is tried again."""

from itertools import pairwise

from graced.core.retries import LATEST_S, Wait, waits
from graced.store.tasks import TaskRecord

INTERVAL = 10.0


def task(id: str, path: str = "/a.py") -> TaskRecord:
    at = "2026-01-01T00:00:00.000Z"
    return TaskRecord(id, path, "failed", "the disk is full", at, at, None, None, None, None, False, "later")


def test_first_after_an_interval_then_ever_later_up_to_a_limit() -> None:
    now, known, tries = 0.0, dict[str, Wait](), list[float]()
    for n in range(200):
        known, due = waits(known, [task(f"t{len(tries)}")], now, INTERVAL)
        tries += [now for _ in due]
        now = n * INTERVAL
    gaps = [after - before for before, after in pairwise(tries)]
    assert tries[0] <= 2 * INTERVAL
    assert gaps == sorted(gaps)
    assert gaps[-1] <= LATEST_S + INTERVAL


def test_a_file_that_is_being_tried_keeps_its_place() -> None:
    known, _ = waits({}, [task("t1")], 0.0, INTERVAL)
    known, due = waits(known, [task("t1"), task("u1", "/b.py")], INTERVAL, INTERVAL)
    assert [each.id for each in due] == ["t1"]
    known, _ = waits(known, [], 2 * INTERVAL, INTERVAL)  # it is running
    known, due = waits(known, [task("t2")], 3 * INTERVAL, INTERVAL)
    assert not due
    assert known["/a.py"].span_s == 2 * INTERVAL
