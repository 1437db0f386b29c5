"""Restart intensity and backoff."""

from core_kit import NOW
from hypothesis import given
from hypothesis import strategies as st

from graced.core.intensity import LONG_RUN_S, History, Policy, backoff, weigh

POLICY = Policy(max_restarts=5, window=60.0, immediate=2, initial=0.1, factor=2.0, max=30.0, jitter=0.2)

policies = st.builds(
    Policy, max_restarts=st.integers(1, 6), window=st.floats(1, 100), immediate=st.integers(0, 4),
    initial=st.sampled_from([0.0, 0.1, 1.0]), factor=st.floats(1, 3), max=st.floats(1, 30), jitter=st.floats(0, 0.5),
)  # fmt: skip
lives = st.lists(st.tuples(st.floats(0, 30), st.floats(-1, 1)), max_size=60)


@given(policies, lives)
def test_never_more_than_max_restarts_in_a_window(policy: Policy, lives: list[tuple[float, float]]) -> None:
    history, now, starts = History(), NOW, []
    for ran, noise in lives:
        now += ran
        verdict = weigh(history, policy, ran, now, noise)
        history = verdict.history
        if verdict.spent:
            now += policy.window  # a person, later
            continue
        starts.append(now)  # the restart counts from its decision on
        now += verdict.wait
        assert sum(t > starts[-1] - policy.window for t in starts) <= policy.max_restarts


@given(policies, st.integers(0, 200), st.floats(-1, 1))
def test_the_wait_grows_to_its_limit_and_is_never_negative(policy: Policy, short: int, noise: float) -> None:
    wait = backoff(short, policy, noise)
    assert 0 <= wait <= policy.max * (1 + policy.jitter)
    assert backoff(short + 1, policy) >= backoff(short, policy)


def test_the_first_short_runs_are_followed_at_once_then_the_wait_doubles() -> None:
    assert [round(backoff(n, POLICY), 3) for n in range(1, 8)] == [0, 0, 0.1, 0.2, 0.4, 0.8, 1.6]
    assert backoff(100, POLICY) == 30.0


def test_a_long_run_is_followed_without_a_wait() -> None:
    history = History((), tuple(NOW - n for n in range(4)))
    assert weigh(history, POLICY, LONG_RUN_S, NOW).wait == 0
    assert weigh(history, POLICY, LONG_RUN_S - 0.1, NOW).wait > 0


def test_no_initial_wait_is_no_wait_ever() -> None:
    assert backoff(50, Policy(initial=0.0)) == 0


def test_past_the_intensity_it_is_spent_and_the_refused_restart_does_not_count() -> None:
    history = History(tuple(NOW - n for n in range(5)))
    verdict = weigh(history, POLICY, 0.0, NOW)
    assert verdict.spent
    assert verdict.history.restarts == history.restarts


def test_restarts_leave_the_window() -> None:
    history = History(tuple(NOW - 60 - n for n in range(5)))
    assert not weigh(history, POLICY, 0.0, NOW).spent
