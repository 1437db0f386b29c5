"""Quorum: silence alone kills nobody."""

from core_kit import NOW, TIMING, beat, member, of, only, pid_of, run
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from graced.core import votes
from graced.core.liveness import Peer
from graced.core.vocabulary import AnswerVote, AskVote, Died, Heard, Record, Resign, Tick, VoteAsked, VoteCast
from graced.spec.roles import others

SILENT = NOW + TIMING.timeout + 0.01


def asked_by_watchdog() -> tuple[object, AskVote]:
    """The watchdog hears everyone but the trigger."""
    state = member("watchdog")
    for name in others("watchdog"):
        if name != "trigger":
            state, _ = run(state, Heard(beat(name)), now=SILENT - 0.05)
    state, actions = run(state, Tick(), now=SILENT)
    return state, only(actions, AskVote)


def test_everyone_alive_but_the_target_is_asked() -> None:
    _, ask = asked_by_watchdog()
    assert ask.target == "trigger"
    assert set(ask.voters) == set(others("watchdog")) - {"trigger"}


def test_a_majority_makes_it_down_and_each_ballot_is_on_record() -> None:
    state, ask = asked_by_watchdog()
    for voter in ask.voters[:3]:
        state, actions = run(state, VoteCast(ask.vote, voter, True), now=SILENT)
    assert state.peers["trigger"].evidence == "heartbeat"
    cast = [a.data["voter"] for a in of(actions, Record) if a.kind == "vote.cast"]
    assert sorted(cast) == sorted(["watchdog", *ask.voters[:3]])
    assert only(actions, Record, kind="vote.decided").data["down"] is True


def test_half_is_not_a_majority_and_no_answer_is_no_vote() -> None:
    state, ask = asked_by_watchdog()
    for voter in ask.voters[:2]:
        state, _ = run(state, VoteCast(ask.vote, voter, True), now=SILENT)
    state, actions = run(state, Tick(), now=SILENT + 2 * TIMING.interval + 0.01)
    assert only(actions, Record, kind="vote.decided").data["down"] is False
    assert not state.peers["trigger"].down


def test_the_vote_is_dropped_when_the_target_is_heard() -> None:
    state, ask = asked_by_watchdog()
    state, _ = run(state, Heard(beat("trigger")), now=SILENT)
    assert state.votes == {}
    state, _ = run(state, VoteCast(ask.vote, ask.voters[0], True), now=SILENT)
    assert state.peers["trigger"].state == "healthy"


def test_who_alone_does_not_hear_what_the_others_hear_is_deaf_and_ends_itself() -> None:
    state, ask = asked_by_watchdog()
    resigned = []
    for voter in ask.voters:
        state, actions = run(state, VoteCast(ask.vote, voter, False), now=SILENT)
        resigned += of(actions, Resign)
    assert len(resigned) == 1


def test_a_voter_answers_from_what_it_hears_itself() -> None:
    state = member("parliament")
    _, actions = run(state, VoteAsked("v", "watchdog", "trigger", 1), now=NOW + 0.1)
    assert only(actions, AnswerVote).down is False
    _, actions = run(state, VoteAsked("v", "watchdog", "trigger", 1), now=NOW + TIMING.timeout)
    assert only(actions, AnswerVote).down is True
    dead, _ = run(state, Died("trigger", pid_of("trigger")))
    _, actions = run(dead, VoteAsked("v", "watchdog", "trigger", 1))
    assert only(actions, AnswerVote).down is True


def test_a_voter_does_not_condemn_an_incarnation_that_it_does_not_know() -> None:
    _, actions = run(member("parliament"), VoteAsked("v", "watchdog", "trigger", 2), now=NOW + TIMING.timeout)
    assert only(actions, AnswerVote).down is False


def test_both_healers_silent_waits_for_the_confirmation() -> None:
    state = member("watchdog")
    for name in others("watchdog"):
        if name not in ("self_healing", "coding_agent"):
            state, _ = run(state, Heard(beat(name)), now=SILENT - 0.05)
    state, actions = run(state, Tick(), now=SILENT + 0.2)
    assert of(actions, AskVote) == []
    for name in others("watchdog"):
        if name not in ("self_healing", "coding_agent"):
            state, _ = run(state, Heard(beat(name)), now=SILENT + TIMING.confirm - 0.05)
    _, actions = run(state, Tick(), now=SILENT + TIMING.confirm)
    assert {a.target for a in of(actions, AskVote)} == {"self_healing", "coding_agent"}


@given(st.integers(0, 6), st.lists(st.booleans(), max_size=6), st.booleans())
def test_arithmetic_of_the_quorum(voters: int, ballots: list[bool], late: bool) -> None:
    names = tuple(f"v{i}" for i in range(voters))
    vote = votes.Vote("v", "t", 1, names, NOW, {"me": True})
    for name, ballot in zip(names, ballots, strict=False):
        vote = votes.cast(vote, name, ballot)
    yes = sum(vote.ballots.values())
    verdict = votes.decided(vote, NOW + 1 if late else NOW - 1)
    if verdict is True:
        assert 2 * yes > voters + 1
    if verdict is False:
        assert 2 * yes <= voters + 1
    if verdict is None:
        assert not late
        assert len(vote.ballots) <= voters
    if late:
        assert verdict is (2 * yes > voters + 1)


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c", "d"]), st.booleans()), max_size=12))
def test_only_who_was_asked_counts_and_only_once(casts: list[tuple[str, bool]]) -> None:
    vote = votes.Vote("v", "t", 1, ("a", "b"), NOW, {"me": True})
    for voter, ballot in casts:
        vote = votes.cast(vote, voter, ballot)
    assert set(vote.ballots) <= {"me", "a", "b"}


def test_an_electorate_of_one_decides_alone() -> None:
    assert votes.decided(votes.Vote("v", "t", 1, (), NOW, {"me": True}), NOW) is True


def test_who_holds_its_role_votes_heard_or_not_and_who_is_down_or_unknown_does_not() -> None:
    peers = {n: Peer(n, pid=1, heard=n == "b", state="suspect") for n in ("a", "b", "c")}
    peers["d"] = Peer("d", pid=1, heard=True, state="down")
    peers["e"] = Peer("e")
    vote = votes.ask("me", replace(peers["a"], state="suspect"), peers, TIMING, NOW)
    assert vote.voters == ("b", "c")
