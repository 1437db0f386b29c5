"""What a repair did not need is taken back."""

from graced.repair.check import fault_of
from graced.repair.edits import Candidate, applied
from graced.repair.prune import in_origin, pruned


def _step(start: int, end: int, new: str) -> Candidate:
    return Candidate("missing_colon", 0.0, ((start, end, new),))


def test_a_step_that_is_not_needed_is_undone() -> None:
    text = "x = 1\nif x\n    y = (2\n"
    steps = (_step(0, 1, "long_name"), _step(18, 18, ":"), _step(30, 30, ")"))
    needed, mended = pruned(text, steps, fault_of)
    assert mended == "x = 1\nif x:\n    y = (2)\n"
    assert [step.edits for step in needed] == [((10, 10, ":"),), ((21, 21, ")"),)]


def test_all_that_is_needed_stays() -> None:
    text = "if x\n    y = (2\n"
    steps = (_step(4, 4, ":"), _step(16, 16, ")"))
    assert pruned(text, steps, fault_of)[1] == "if x:\n    y = (2)\n"


def test_steps_that_touch_are_left_as_they_are() -> None:
    text = "ab = 1\n"
    steps = (_step(1, 1, "c"), _step(2, 2, "d"))
    assert in_origin(steps) is None
    assert pruned(text, steps, fault_of) == (steps, "acdb = 1\n")


def test_offsets_go_back_to_the_first_text() -> None:
    text = "one two three"
    steps = (_step(4, 7, ""), _step(0, 3, "1"), _step(3, 8, "3"))
    moved = in_origin(steps)
    assert moved is not None
    assert [step.edits[0] for step in moved] == [(4, 7, ""), (0, 3, "1"), (8, 13, "3")]
    assert applied(text, tuple(sorted(step.edits[0] for step in moved))) == "1  3"
