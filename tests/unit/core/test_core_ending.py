"""The course of an end: command, signal, deadline, the whole tree."""

from hypothesis import given
from hypothesis import strategies as st

from graced.core.kernels.ending import Course, step
from graced.spec.config import Stop

NOW = 100.0


def acts(course: Course, *seen: tuple[float, bool, bool]) -> list[str]:
    """What is due at each look: (seconds since it began, stop.command runs, the first process lives)."""
    told = []
    for after, command, main in seen:
        course, act = step(course, NOW + after, command=command, main=main)
        told.append(act)
    return told


def test_the_first_process_is_signalled_once_and_the_tree_is_killed_when_its_time_is_over() -> None:
    course = Course(Stop(timeout_s=5.0), NOW)
    assert acts(course, (0, False, True), (1, False, True), (5, False, True)) == ["main", "wait", "kill"]


def test_what_the_first_process_leaves_is_signalled_too() -> None:
    course = Course(Stop(timeout_s=5.0), NOW)
    assert acts(course, (0, False, True), (1, False, False), (4.9, False, False)) == ["main", "tree", "tree"]


def test_the_whole_tree_is_signalled_where_that_is_asked_for() -> None:
    course = Course(Stop(to="tree", timeout_s=5.0), NOW)
    assert acts(course, (0, False, True), (1, False, True)) == ["tree", "tree"]


def test_the_command_comes_first_and_the_signal_when_it_is_over() -> None:
    course = Course(Stop(command=("x",), timeout_s=5.0), NOW)
    seen = [(0, False, True), (1, True, True), (2, False, True), (3, False, True)]
    assert acts(course, *seen) == ["command", "wait", "main", "wait"]


def test_a_command_that_never_ends_does_not_put_off_the_kill() -> None:
    course = Course(Stop(command=("x",), timeout_s=5.0), NOW)
    assert acts(course, (0, False, True), (4.9, True, True), (5, True, True)) == ["command", "wait", "kill"]


def test_no_time_is_no_politeness() -> None:
    assert acts(Course(Stop(command=("x",), timeout_s=0.0), NOW), (0, False, True)) == ["kill"]


looks = st.lists(st.tuples(st.floats(0, 12), st.booleans(), st.booleans()), max_size=20).map(sorted)
stops = st.builds(
    Stop, to=st.sampled_from(["main", "tree"]), timeout_s=st.sampled_from([0.0, 3.0, 10.0]),
    command=st.sampled_from([None, ("x",)]),
)  # fmt: skip


@given(stops, looks)
def test_whatever_is_seen_each_is_asked_once_and_killed_in_time(
    stop: Stop, seen: list[tuple[float, bool, bool]]
) -> None:
    told = acts(Course(stop, NOW), *seen)
    assert told.count("command") <= 1
    assert told.count("main") <= 1
    assert "main" not in told or stop.to == "main"
    assert all((act == "kill") == (after >= stop.timeout_s) for act, (after, _, _) in zip(told, seen, strict=True))
