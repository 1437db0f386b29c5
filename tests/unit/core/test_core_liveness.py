"""When is a member called dead? Facts at once, a stop in time, silence by a quorum, one's own lateness never."""

from core_kit import NOW, TIMING, beat, member, of, only, pid_of, run
from msgspec.structs import replace

from graced.core import liveness
from graced.core.liveness import Peer
from graced.core.member import step
from graced.core.vocabulary import AskVote, Died, Found, Heard, Probe, Seen, Tick, Watch
from graced.spec.roles import others

I = TIMING.interval  # noqa: E741


def heard(now: float = NOW) -> Peer:
    peer, _ = liveness.hear(Peer("trigger"), beat("trigger"), now)
    return peer


def test_the_first_beat_of_an_incarnation_opens_a_pidfd() -> None:
    peer, actions = liveness.hear(Peer("trigger"), beat("trigger", 3), NOW)
    assert (peer.state, peer.incarnation, peer.heard) == ("healthy", 3, True)
    assert actions == (Watch("trigger", peer.pid, peer.start_ticks),)
    assert liveness.hear(peer, beat("trigger", 3), NOW)[1] == ()


def test_a_beat_of_an_older_incarnation_is_no_news() -> None:
    peer, _ = liveness.hear(Peer("trigger"), beat("trigger", 3), NOW)
    assert liveness.hear(peer, beat("trigger", 2), NOW + 1) == (peer, ())


def test_a_beat_that_was_on_its_way_when_its_sender_died_revives_nobody() -> None:
    peer = heard()
    dead = liveness.die(peer, peer.pid, "exit", NOW)
    assert liveness.hear(dead, beat("trigger"), NOW + 0.001)[0] is dead


def test_a_late_beat_of_the_predecessor_does_not_pass_for_the_newborn() -> None:
    dead = liveness.die(heard(), pid_of("trigger"), "exit", NOW)
    newborn = liveness.bear(dead, 9000, 90000, NOW)
    assert (newborn.state, newborn.pid, newborn.incarnation) == ("starting", 9000, 1)
    assert liveness.hear(newborn, beat("trigger"), NOW)[0] is newborn
    risen, _ = liveness.hear(newborn, beat("trigger", 2, pid=9000), NOW)
    assert (risen.state, risen.incarnation) == ("healthy", 2)


def test_a_death_says_nothing_about_another_process() -> None:
    assert liveness.die(heard(), 1, "exit", NOW).state == "healthy"


def test_a_newborn_that_ends_before_its_first_beat_is_down() -> None:
    newborn = liveness.bear(liveness.die(heard(), pid_of("trigger"), "exit", NOW), 9000, 90000, NOW)
    assert liveness.die(newborn, 9000, "exit", NOW).state == "down"


def test_two_intervals_of_silence_make_a_suspect_and_ask_for_evidence() -> None:
    peer = heard()
    assert liveness.judge(peer, TIMING, NOW + 1.9 * I) == (peer, ())
    suspect, actions = liveness.judge(peer, TIMING, NOW + 2.1 * I)
    assert suspect.state == "suspect"
    assert isinstance(actions[0], Probe)


def test_stopped_for_two_intervals_is_a_fact_like_death() -> None:
    suspect, _ = liveness.judge(heard(), TIMING, NOW + 2.1 * I)
    stopped = liveness.see(suspect, suspect.pid, "stopped", TIMING, NOW + 2.2 * I)
    assert liveness.see(stopped, stopped.pid, "stopped", TIMING, NOW + 4.1 * I).state == "suspect"
    down = liveness.see(stopped, stopped.pid, "stopped", TIMING, NOW + 4.2 * I + 0.001)
    assert (down.state, down.evidence) == ("down", "stopped")
    assert not down.ended, "it may still be continued, so it is killed before a successor is born"


def test_that_it_is_stopped_still_is_seen_before_it_is_called_down() -> None:
    suspect, _ = liveness.judge(heard(), TIMING, NOW + 2.1 * I)
    stopped = liveness.see(suspect, suspect.pid, "stopped", TIMING, NOW + 2.2 * I)
    late, actions = liveness.judge(stopped, TIMING, NOW + 9 * I)
    assert late.state == "suspect"
    assert isinstance(actions[0], Probe)


def test_a_process_that_was_continued_is_not_stopped_any_more() -> None:
    suspect, _ = liveness.judge(heard(), TIMING, NOW + 2.1 * I)
    stopped = liveness.see(suspect, suspect.pid, "stopped", TIMING, NOW + 2.2 * I)
    running = liveness.see(stopped, stopped.pid, "running", TIMING, NOW + 3 * I)
    assert running.stopped_at is None


def test_a_stopped_member_that_is_heard_again_is_healthy() -> None:
    suspect, _ = liveness.judge(heard(), TIMING, NOW + 2.1 * I)
    stopped = liveness.see(suspect, suspect.pid, "stopped", TIMING, NOW + 2.2 * I)
    down = liveness.see(stopped, stopped.pid, "stopped", TIMING, NOW + 5 * I)
    revived, _ = liveness.hear(down, beat("trigger"), NOW + 5.1 * I)
    assert (revived.state, revived.stopped_at) == ("healthy", None)


def test_a_debugger_is_no_evidence_and_a_zombie_is() -> None:
    peer = heard()
    assert liveness.see(peer, peer.pid, "tracing-stop", TIMING, NOW) == peer
    assert liveness.see(peer, peer.pid, "zombie", TIMING, NOW).evidence == "zombie"


def test_a_lock_without_a_process_is_a_fact_and_one_with_a_process_is_watched() -> None:
    gone, _ = liveness.find(Peer("trigger"), 5, 50, 4, "gone", NOW)
    assert (gone.state, gone.incarnation) == ("down", 4)
    alive, actions = liveness.find(Peer("trigger"), 5, 50, 4, "running", NOW)
    assert (alive.state, actions) == ("starting", (Watch("trigger", 5, 50),))


def test_a_lock_file_tells_nothing_new_of_an_incarnation_that_was_heard() -> None:
    peer = heard()
    assert liveness.find(peer, peer.pid, peer.start_ticks, 1, "gone", NOW)[0] is peer


def test_silence_alone_is_left_to_a_vote() -> None:
    state = member("watchdog")
    state, actions = run(state, Tick(), now=NOW + TIMING.timeout + 0.01)
    assert state.peers["trigger"].state == "suspect"
    assert of(actions, AskVote, target="trigger")


def test_a_watcher_that_was_late_itself_does_not_judge() -> None:
    state = member("watchdog")
    late = state.due + 20.0
    state, actions = step(state, Tick(), late)
    assert all(p.state == "healthy" for p in state.peers.values())
    assert not of(list(actions), Probe)
    assert not of(list(actions), AskVote)


def test_a_beat_that_was_overtaken_changes_nothing() -> None:
    healthy, _ = liveness.hear(Peer("trigger"), replace(beat("trigger"), seq=2), NOW)
    first = replace(beat("trigger", phase="starting"), seq=1)
    assert liveness.hear(healthy, first, NOW + I) == (healthy, ())
    again, _ = liveness.hear(healthy, replace(beat("trigger"), seq=2), NOW + I)
    assert again.since == NOW + I, "the same once more, for a new subscriber, is news of life"
    newer, _ = liveness.hear(healthy, replace(beat("trigger", 2), seq=1), NOW + I)
    assert newer.incarnation == 2


def test_lateness_moves_the_deadline_of_a_stop_as_well() -> None:
    state = member("watchdog")
    state, _ = run(state, Tick(), now=NOW + 2.5 * I)
    state, _ = run(state, Seen("trigger", pid_of("trigger"), "stopped"), now=NOW + 2.6 * I)
    state, _ = step(state, Tick(), state.due + 10.0)
    assert state.peers["trigger"].state == "suspect"


def test_a_late_watcher_looks_again_before_it_acts_on_a_stop() -> None:
    excused = liveness.excuse(stopped_down(), 5.0)
    assert (excused.state, excused.evidence) == ("suspect", "")
    assert liveness.see(excused, excused.pid, "stopped", TIMING, NOW + 5 * I + 5.0).state == "down"
    assert liveness.see(excused, excused.pid, "running", TIMING, NOW + 5 * I + 5.0).state == "suspect"


def test_a_watcher_that_is_always_late_still_finds_out_who_is_stopped() -> None:
    state, now = member("watchdog"), NOW
    for _ in range(40):
        now = max(now, state.due) + 0.8 * I
        for name in others("watchdog"):
            if name != "trigger":
                state, _ = step(state, Heard(beat(name)), now)
        state, _ = step(state, Tick(), now)
        state, _ = step(state, Seen("trigger", pid_of("trigger"), "stopped"), now)
    assert state.peers["trigger"].evidence == "stopped"


def test_being_a_little_late_excuses_nobody() -> None:
    state = member("watchdog")
    state, _ = step(state, Tick(), state.due + 0.4 * I)
    assert state.peers["trigger"].since == NOW


def test_a_death_is_known_to_everyone_at_once_but_acted_on_by_one() -> None:
    for me in ("watchdog", "parliament"):
        state, _ = run(member(me), Died("trigger", pid_of("trigger")))
        assert state.peers["trigger"].down
        assert bool(state.runs) == (me == "watchdog")


def test_a_member_of_a_first_start_does_not_take_an_empty_lock_for_a_death() -> None:
    from core_kit import newborn

    state, _ = run(newborn("watchdog", fresh=True), Found("trigger", 0, 0, 0, "gone"))
    assert state.peers["trigger"].state == "unknown"
    state, actions = run(state, Tick(), now=NOW + 1.1)
    assert only([a for a in actions if getattr(a, "member", "") == "trigger"], type(actions[-1]))
    state, _ = run(state, Found("trigger", 0, 0, 0, "gone"), now=NOW + 1.2)
    assert state.peers["trigger"].down


def test_a_steady_beat_costs_no_thought() -> None:
    state = member("watchdog")
    after, actions = run(state, Heard(beat("trigger")), now=NOW + 0.05)
    assert actions == []
    assert after.peers["trigger"].since == NOW + 0.05


def stopped_down() -> Peer:
    suspect, _ = liveness.judge(heard(), TIMING, NOW + 2.1 * I)
    stopped = liveness.see(suspect, suspect.pid, "stopped", TIMING, NOW + 2.2 * I)
    return liveness.see(stopped, stopped.pid, "stopped", TIMING, NOW + 5 * I)


def test_who_is_down_because_it_is_stopped_is_looked_at_again_and_again() -> None:
    _, actions = liveness.judge(stopped_down(), TIMING, NOW + 6 * I)
    assert isinstance(only(list(actions), Probe), Probe)


def test_who_was_continued_is_suspect_only_and_its_silence_is_measured_anew() -> None:
    peer = liveness.see(stopped_down(), pid_of("trigger"), "running", TIMING, NOW + 6 * I)
    assert (peer.state, peer.evidence, peer.since) == ("suspect", "", NOW + 6 * I)
    assert not liveness.silent(peer, TIMING, NOW + 6 * I + 0.9 * TIMING.timeout)


def test_what_a_quorum_held_for_dead_is_suspect_again_when_its_word_is_spent() -> None:
    down = liveness.outvoted(heard(), NOW)
    assert (down.state, down.evidence) == ("down", "heartbeat")
    assert liveness.acquitted(down).state == "suspect"
