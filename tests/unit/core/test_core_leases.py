"""Powers are lent for a short time: held, renewed, taken back, and gone by themselves."""

from core_kit import NOW, TIMING, beat, member, of, only, run

from graced.core import leases
from graced.core.vocabulary import Heard, Lease, LeaseGiven, LeaseTaken, SendRevoke, Tick
from graced.spec.roles import POWERS

TERM = leases.ttl(TIMING)


def lease(incident: str = "e", *, left: float = TERM, incarnation: int = 1, agent: str = "trigger") -> Lease:
    return Lease(f"{incident}/{agent}-{incarnation}", incident, agent, incarnation, POWERS[agent], left)


def test_a_power_is_allowed_by_a_live_lease_for_that_very_power() -> None:
    state, _ = run(member("trigger"), LeaseGiven(lease()))
    assert leases.may(state.held, "restart_kernel", NOW)
    assert not leases.may(state.held, "deploy_fix", NOW)
    assert not leases.may({}, "restart_kernel", NOW)


def test_a_lease_ends_by_itself() -> None:
    state, _ = run(member("trigger"), LeaseGiven(lease()))
    assert leases.may(state.held, "restart_kernel", NOW + TERM - 0.01)
    assert not leases.may(state.held, "restart_kernel", NOW + TERM)
    state, _ = run(state, Tick(), now=NOW + TERM)
    assert state.held == {}


def test_a_lease_for_another_incarnation_or_agent_is_void() -> None:
    for other in (lease(incarnation=2), lease(agent="architect")):
        assert run(member("trigger"), LeaseGiven(other))[0].held == {}


def test_what_was_taken_back_is_not_taken_up_again_by_a_grant_that_was_sent_before() -> None:
    state, _ = run(member("trigger"), LeaseGiven(lease()))
    state, _ = run(state, LeaseTaken("e"), now=NOW + 1)
    assert state.held == {}
    state, _ = run(state, LeaseGiven(lease(left=TERM - 1.5)), now=NOW + 2)  # sent at NOW + 0.5
    assert state.held == {}
    state, _ = run(state, LeaseGiven(lease(left=TERM - 0.5)), now=NOW + 2)  # sent at NOW + 1.5
    assert "e" in state.held


def test_a_grant_is_renewed_at_a_third_of_its_term() -> None:
    grant = leases.grant("trigger", 1, "e", TIMING, NOW)
    assert grant.renew_at == NOW + TERM / 3
    assert leases.renew(grant, grant.renew_at).renew_at == NOW + 2 * TERM / 3


def test_a_delegate_that_says_it_holds_what_is_over_is_told_again() -> None:
    _, actions = run(member("watchdog"), Heard(beat("trigger", leases=("old",))))
    assert only(actions, SendRevoke) == SendRevoke("trigger", "old")
    _, actions = run(member("parliament"), Heard(beat("trigger", leases=("old",))))
    assert of(actions, SendRevoke) == []
