"""The spawner's rules for members: one newborn a role, backoff for starts that do not become healthy."""

from core_kit import NOW, POLICY, TIMING, beat, member, run

from graced.core import births, duty
from graced.core.births import Answer, Fork, KillNewborn, Starts
from graced.core.vocabulary import Birth, Born, Died, Heard, Unborn


def unheard(role: str) -> bool:
    return False


def ask(starts: Starts, *, force: bool = False, now: float = NOW, holder: int = 0) -> births.Step:
    return births.ask(starts, Birth("trigger", "r", 3, force), now, holder=holder)


def failed_starts(count: int, now: float = NOW) -> Starts:
    starts: Starts = {}
    for n in range(count):
        starts = births.forked(starts, "trigger", 100 + n, now)
        starts = births.died(starts, "trigger", 100 + n, "exit code 1: no module", POLICY, now)
    return starts


def test_a_birth_is_a_fork_above_the_floor() -> None:
    assert ask({})[1] == (Fork("trigger", "r", 3),)


def test_who_holds_the_role_above_the_floor_is_the_answer() -> None:
    assert ask({}, holder=77)[1] == (Answer("r", Born("trigger", 77)),)


def test_a_request_that_is_repeated_finds_the_newborn_of_the_first() -> None:
    starts = births.forked({}, "trigger", 100, NOW)
    assert ask(starts)[1] == (Answer("r", Born("trigger", 100)),)


def test_a_member_that_was_healthy_is_followed_at_once_however_often() -> None:
    starts: Starts = {}
    for n in range(50):
        starts = births.healthy(births.forked(starts, "trigger", n, NOW), "trigger", n)
        starts = births.died(starts, "trigger", n, "signal 9", POLICY, NOW)
        assert isinstance(ask(starts)[1][0], Fork)


def test_starts_that_do_not_become_healthy_back_off_and_say_why() -> None:
    (answer,) = ask(failed_starts(3))[1]
    assert isinstance(answer, Answer)
    assert isinstance(answer.event, Unborn)
    assert answer.event.reason == "exit code 1: no module"
    assert NOW < answer.event.retry_at <= NOW + 0.2
    assert isinstance(ask(failed_starts(3), now=answer.event.retry_at)[1][0], Fork)
    assert births.failing(failed_starts(3)) == {"trigger": "exit code 1: no module"}


def test_past_the_intensity_a_start_is_tried_every_backoff_max_for_ever() -> None:
    starts = failed_starts(POLICY.max_restarts + 1)
    assert starts["trigger"].again_at == NOW + POLICY.max
    later = NOW + POLICY.max
    assert isinstance(ask(starts, now=later)[1][0], Fork)


def test_the_emergency_skips_and_resets_the_count() -> None:
    starts, actions = ask(failed_starts(POLICY.max_restarts + 3), force=True)
    assert isinstance(actions[0], Fork)
    starts = births.forked(starts, "trigger", 900, NOW)
    starts = births.died(starts, "trigger", 900, "exit code 1", POLICY, NOW)
    assert starts["trigger"].again_at == NOW


def test_a_newborn_that_had_its_time_is_killed_once() -> None:
    starts = births.forked({}, "trigger", 100, NOW)
    assert births.overdue(starts, TIMING.interval, NOW + births.NEWBORN_FLOOR_S, unheard)[1] == ()
    starts, actions = births.overdue(starts, TIMING.interval, NOW + births.NEWBORN_FLOOR_S + 0.1, unheard)
    assert actions == (KillNewborn("trigger", 100),)
    assert births.overdue(starts, TIMING.interval, NOW + 99, unheard)[1] == ()


def test_a_newborn_that_others_hear_is_not_killed_by_a_deaf_spawner() -> None:
    starts = births.forked({}, "trigger", 100, NOW)
    spawner, _ = run(member("spawner"), Died("trigger", next(iter(member("spawner").peers.values())).pid))
    assert births.overdue(starts, TIMING.interval, NOW + 99, lambda role: duty.heard_elsewhere(spawner, role))[1] == ()


def test_heard_elsewhere_wants_an_incarnation_that_is_not_known_to_be_down() -> None:
    spawner = member("spawner")
    spawner, _ = run(spawner, Died("trigger", spawner.peers["trigger"].pid))
    assert not duty.heard_elsewhere(spawner, "trigger")
    spawner, _ = run(spawner, Heard(beat("watchdog", hears={"trigger": 2})))
    assert duty.heard_elsewhere(spawner, "trigger")


def test_deaths_of_other_processes_do_not_count() -> None:
    starts = births.forked({}, "trigger", 100, NOW)
    assert births.died(starts, "trigger", 99, "exit", POLICY, NOW) is starts
    assert births.healthy(starts, "trigger", 99) is starts
