"""What status says, from views that are made up: no process, no disk."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from graced.bus.protocol import KernelView, PeerView, View
from graced.home.locks import LockRecord
from graced.home.presence import Presence
from graced.posix.proc import Usage
from graced.spec.config import Kernel
from graced.spec.roles import MEMBERS
from graced.spec.run import Run
from graced.status import compose as composing
from graced.status.facts import Clocks, Gathered, RunFact
from graced.status.structs import Code, Recoveries, Tasks

NOW = Clocks(wall=1_767_225_600.0, monotonic=1000.0, boottime=2000.0)
MEMBER_KEYS = [
    "pid", "state", "incarnation", "started_at", "uptime_s", "heartbeat_age_s", "restarts", "rss_bytes", "pss_bytes",
    "cpu_s", "loop_lag_s", "detail",
]  # fmt: skip
KERNEL_KEYS = [
    "pid", "state", "run", "reason", "started_at", "uptime_s", "restarts", "exit", "critical", "rung", "rss_bytes",
    "cpu_s",
]  # fmt: skip


def compose(g: Gathered) -> dict[str, Any]:
    """As `graced status --json` prints it."""
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(composing.compose(g)))
    return plain


def pid_of(member: str) -> int:
    return 100 + MEMBERS.index(member)


def kernel(**changes: Any) -> KernelView:
    """One that runs well, as self_healing tells it."""
    run: dict[str, Any] = {
        "kernel": "web",
        "run": 3,
        "pid": 500,
        "start_ticks": 190_000,
        "boot_id": "boot",
        "started": 900.0,
    }
    run |= {key: changes.pop(key) for key in tuple(changes) if key in run}
    fields: dict[str, Any] = {
        "run": Run(**run), "state": "ready", "reason": "", "restarts": 2, "exit": None, "critical": False,
        "rung": None, "wanted": True, "stopped_by_person": False, "due": 0.0,
    }  # fmt: skip
    return KernelView(**(fields | changes))


def view(member: str, **changes: Any) -> View:
    peers = {m: PeerView("healthy", "", pid_of(m), 100_000, 2, 0.05) for m in MEMBERS if m != member}
    fields: dict[str, Any] = {
        "member": member, "pid": pid_of(member), "start_ticks": 100_000, "incarnation": 2, "born": 1.0, "now": 1000.0,
        "healthy": True, "lag": 0.001, "peers": peers, "runs": [],
    }  # fmt: skip
    if member == "self_healing":
        fields["kernels"] = {"web": kernel()}
    return View(**(fields | changes))


def gathered(**changes: Any) -> Gathered:
    """A home where all is well: seven members of incarnation 2, one kernel."""
    fields: dict[str, Any] = {
        "root": "/home",
        "version": "0.1.0",
        "clocks": NOW,
        "presences": {m: Presence(m, LockRecord(pid_of(m), 2, 100_000, "boot"), "running") for m in MEMBERS},
        "views": {m: view(m) for m in MEMBERS},
        "usages": {500: Usage(4096, None, 0.5), pid_of("watchdog"): Usage(8192, 4096, 1.5)},
        "specs": {"web": Kernel("web", ("web",))},
        "living": frozenset({(500, 190_000)}),
        "base": dict.fromkeys(MEMBERS, 0),
        "audit_records": 7,
        "audit_head": "ab" * 32,
    }
    return Gathered(**(fields | changes))


def lost(g: Gathered, member: str, status: str) -> Gathered:
    """The same, but this member's process is gone, zombie or stopped and answers nothing."""
    presence = replace(g.presences[member], status=status)
    views = {m: v for m, v in g.views.items() if m != member}
    return replace(g, presences={**g.presences, member: presence}, views=views)


def with_view(g: Gathered, member: str, **changes: Any) -> Gathered:
    return replace(g, views={**g.views, member: replace(g.views[member], **changes)})


def seen_as(g: Gathered, observer: str, member: str, **changes: Any) -> Gathered:
    old = g.views[observer].peers
    return with_view(g, observer, peers={**old, member: replace(old[member], **changes)})


def with_kernel(g: Gathered, **changes: Any) -> Gathered:
    return with_view(g, "self_healing", kernels={"web": kernel(**changes)})


# --- all is well


def test_a_healthy_home_has_every_field_of_the_contract_in_its_order() -> None:
    found = compose(gathered())
    assert list(found) == [
        "schema", "at", "version", "home", "pid", "mode", "healthy", "mutual_recovery", "emergency", "source",
        "members", "kernels", "recoveries", "delegations", "code", "tasks", "approvals", "audit",
    ]  # fmt: skip
    assert all(list(row) == MEMBER_KEYS for row in found["members"].values())
    assert all(list(row) == KERNEL_KEYS for row in found["kernels"].values())
    assert (found["mode"], found["healthy"], found["mutual_recovery"]) == ("normal", True, "ready")
    assert (found["emergency"], found["source"], found["pid"]) == ("armed", "watchdog", pid_of("spawner"))
    assert found["audit"] == {"records": 7, "head": "ab" * 32, "degraded": False}


def test_times_and_measures_are_of_the_process_itself() -> None:
    row = compose(gathered())["members"]["watchdog"]
    assert row["uptime_s"] == 1000.0
    assert row["started_at"] == "2025-12-31T23:43:20.000Z"
    assert (row["rss_bytes"], row["pss_bytes"], row["cpu_s"]) == (8192, 4096, 1.5)
    assert (row["heartbeat_age_s"], row["loop_lag_s"]) == (0.05, 0.001)


def test_restarts_of_a_member_count_from_the_start_of_the_home() -> None:
    found = compose(gathered(base={"watchdog": 1}))["members"]
    assert (found["watchdog"]["restarts"], found["trigger"]["restarts"]) == (0, 1)


def test_counts_are_passed_on() -> None:
    found = compose(
        gathered(
            recoveries=Recoveries(1, 2, 3),
            code=Code(9, 1, "2026-01-01T00:00:00.000Z"),
            tasks=Tasks(done=4),
            approvals=5,
        )
    )
    assert found["recoveries"] == {"mutual": 1, "emergency": 2, "kernel": 3}
    assert found["code"] == {"files": 9, "broken": 1, "scanned_at": "2026-01-01T00:00:00.000Z"}
    assert found["tasks"] == {"queued": 0, "running": 0, "done": 4, "failed": 0, "undone": 0}
    assert found["approvals"] == 5


# --- members


@pytest.mark.parametrize("member", MEMBERS)
@pytest.mark.parametrize("status", ["gone", "zombie"])
def test_a_dead_member_is_down_whatever_old_views_say(member: str, status: str) -> None:
    found = compose(lost(gathered(), member, status))
    assert found["members"][member]["state"] == "down"
    assert found["members"][member]["pid"] is None
    assert (found["mode"], found["healthy"]) == ("recovering", False)


@pytest.mark.parametrize("status", ["running", "blocked"])
@pytest.mark.parametrize(("age_s", "state"), [(3.0, "starting"), (60.0, "suspect"), (900.0, "suspect")])
def test_of_frozen_members_only_the_young_are_starting(status: str, age_s: float, state: str) -> None:
    """As `docker pause` or a cgroup freezer leaves them: alive, and nobody answers."""
    g = gathered(clocks=replace(NOW, boottime=1000.0 + age_s))
    for member in MEMBERS:
        g = lost(g, member, status)
    found = compose(g)
    assert {row["state"] for row in found["members"].values()} == {state}
    assert not found["healthy"]
    if state == "suspect":
        assert found["members"]["watchdog"]["detail"] == {"evidence": "heartbeat"}


@pytest.mark.parametrize("member", MEMBERS)
def test_a_stopped_member_is_suspect_before_anyone_has_noticed(member: str) -> None:
    row = compose(lost(gathered(), member, "stopped"))["members"][member]
    assert row["state"] == "suspect"
    assert row["detail"] == {"evidence": "stopped"}


def test_a_member_under_a_run_is_restarting() -> None:
    run = {"id": "trigger-2", "playbook": "healer_mutual_restart", "targets": ["trigger"], "tier": 2}
    found = compose(with_view(lost(gathered(), "trigger", "gone"), "watchdog", runs=[run]))
    assert found["members"]["trigger"]["state"] == "restarting"


def test_a_run_keeps_the_mode_until_it_has_ended_though_all_are_healthy() -> None:
    run = {"id": "trigger-2", "playbook": "healer_mutual_restart", "targets": ["trigger"], "tier": 2}
    found = compose(with_view(gathered(), "watchdog", runs=[run]))
    assert (found["mode"], found["healthy"], found["members"]["trigger"]["state"]) == ("recovering", False, "healthy")


def test_a_run_on_kernels_alone_is_no_recovery() -> None:
    run = {"id": "x", "playbook": "tidy", "targets": ["web"], "tier": 1}
    assert compose(with_view(gathered(), "self_healing", runs=[run]))["mode"] == "normal"


def test_records_that_wait_keep_the_mode_unless_the_disk_is_full() -> None:
    waiting = with_view(gathered(), "self_healing", pending=1)
    assert compose(waiting)["mode"] == "recovering"
    full = with_view(waiting, "self_healing", degraded=True)
    assert (compose(full)["mode"], compose(full)["audit"]["degraded"]) == ("normal", True)


def test_a_run_of_an_executor_that_does_not_answer_is_known_from_the_disk() -> None:
    g = gathered(unfinished={"self_healing": ("coding_agent",)})
    silent = replace(g, views={m: v for m, v in g.views.items() if m != "self_healing"})
    assert (compose(g)["mode"], compose(silent)["mode"]) == ("normal", "recovering")


def test_a_failing_member_is_failed_with_the_reason() -> None:
    why = "exit code 1: SyntaxError"
    found = compose(with_view(lost(gathered(), "trigger", "gone"), "spawner", failing={"trigger": why}))
    assert found["members"]["trigger"]["state"] == "failed"
    assert found["members"]["trigger"]["detail"]["reason"] == why


def test_a_member_that_failed_before_and_is_healthy_now_is_healthy() -> None:
    found = compose(with_view(gathered(), "spawner", failing={"trigger": "exit code 1"}))
    assert found["members"]["trigger"]["state"] == "healthy"


def test_an_opinion_about_a_predecessor_is_none() -> None:
    g = seen_as(gathered(), "watchdog", "trigger", incarnation=1, state="down")
    assert compose(g)["members"]["trigger"]["state"] == "healthy"  # by the next observer


def test_what_the_watchdog_suspects_is_suspect() -> None:
    found = compose(seen_as(gathered(), "watchdog", "parliament", state="suspect", age=2.5))
    assert found["members"]["parliament"]["state"] == "suspect"
    assert found["members"]["parliament"]["heartbeat_age_s"] == 2.5
    assert not found["healthy"]


def test_the_watchdog_itself_is_judged_by_the_best_survivor() -> None:
    found = compose(seen_as(gathered(), "self_healing", "watchdog", state="suspect"))
    assert found["members"]["watchdog"]["state"] == "suspect"


def test_a_member_that_is_not_ready_says_so_itself() -> None:
    found = compose(with_view(gathered(), "architect", healthy=False))
    assert found["members"]["architect"]["state"] == "starting"


def test_the_source_is_the_best_that_answers() -> None:
    g = lost(gathered(), "watchdog", "gone")
    assert compose(g)["source"] == "self_healing"
    assert compose(replace(g, views={}))["source"] == "disk"


# --- emergency and mutual recovery


def test_an_emergency_of_the_watchdog_is_active() -> None:
    found = compose(with_view(gathered(), "watchdog", emergency="emergency-2-2"))
    assert (found["mode"], found["emergency"], found["healthy"]) == ("emergency", "active", False)


def test_a_grant_outlives_a_dead_watchdog_in_status_too() -> None:
    lease = {"agent": "architect", "powers": ["deploy_fix"], "incident": "emergency-2-2", "expires_in": 5.0}
    found = compose(with_view(lost(gathered(), "watchdog", "gone"), "architect", leases=[lease]))
    assert found["emergency"] == "active"
    assert found["delegations"] == [
        {
            "agent": "architect", "powers": ["deploy_fix"], "incident": "emergency-2-2",
            "expires_at": "2026-01-01T00:00:05.000Z",
        }
    ]  # fmt: skip


def test_mutual_recovery_needs_both_healers_to_hear_each_other() -> None:
    deaf = seen_as(gathered(), "coding_agent", "self_healing", state="suspect")
    assert compose(deaf)["mutual_recovery"] == "degraded"
    old = seen_as(gathered(), "coding_agent", "self_healing", incarnation=1)
    assert compose(old)["mutual_recovery"] == "degraded"


# --- nobody is there


def dead_home(**changes: Any) -> Gathered:
    g = gathered(**changes)
    gone = {m: replace(presence, status="gone") for m, presence in g.presences.items()}
    return replace(g, presences=gone, views={})


def test_without_members_it_is_stopped_and_kernels_are_as_they_are() -> None:
    g = dead_home(stored={"web": kernel()}, slots={"web": RunFact(Run("web", 3, 500, 190_000), True)})
    found = compose(g)
    assert (found["mode"], found["source"], found["healthy"], found["pid"]) == ("stopped", "disk", False, None)
    assert {row["state"] for row in found["members"].values()} == {"down"}
    assert (found["kernels"]["web"]["state"], found["kernels"]["web"]["pid"]) == ("ready", 500)


@pytest.mark.parametrize(("stored", "shown"), [("ready", "stopped"), ("backoff", "stopped"), ("failed", "failed")])
def test_without_members_a_dead_kernel_is_stopped_or_what_it_ended_as(stored: str, shown: str) -> None:
    found = compose(dead_home(stored={"web": kernel(state=stored)}, living=frozenset()))
    assert (found["kernels"]["web"]["state"], found["kernels"]["web"]["pid"]) == (shown, None)


# --- kernels


@pytest.mark.parametrize("state", ["ready", "healthy"])
def test_kernels_that_are_well_do_not_count_against_healthy(state: str) -> None:
    assert compose(with_kernel(gathered(), state=state))["healthy"]


@pytest.mark.parametrize("state", ["starting", "unhealthy"])
def test_kernels_that_are_not_well_do(state: str) -> None:
    assert not compose(with_kernel(gathered(), state=state))["healthy"]


@pytest.mark.parametrize("state", ["stopped", "backoff", "failed", "starting"])
def test_a_wanted_kernel_without_a_process_counts_against_healthy(state: str) -> None:
    found = compose(with_kernel(gathered(living=frozenset()), state=state, pid=0))
    assert not found["healthy"]
    assert found["mode"] == "normal"


@pytest.mark.parametrize(
    "changes",
    [{"state": "exited"}, {"state": "scheduled"}, {"state": "stopped", "wanted": False, "stopped_by_person": True}],
)
def test_kernels_that_need_not_run_do_not(changes: dict[str, Any]) -> None:
    assert compose(with_kernel(gathered(living=frozenset()), pid=0, **changes))["healthy"]


def test_a_view_that_is_older_than_a_death_does_not_show_the_dead_as_running() -> None:
    row = compose(gathered(living=frozenset()))["kernels"]["web"]
    assert (row["state"], row["pid"], row["uptime_s"]) == ("backoff", None, None)


def test_one_that_a_person_is_stopping_is_stopped_once_it_is_dead() -> None:
    found = compose(with_kernel(gathered(living=frozenset()), wanted=False, stopped_by_person=True))
    assert (found["kernels"]["web"]["state"], found["healthy"]) == ("stopped", True)


def test_one_that_a_stop_of_everything_has_ended_is_stopped() -> None:
    ended = gathered(living=frozenset(), stopping=True)
    row = compose(with_kernel(ended, pid=0, state="starting", reason="graced was stopped"))["kernels"]["web"]
    assert (row["state"], row["pid"], row["reason"]) == ("stopped", None, "graced was stopped")


def test_a_run_by_standing_order_is_shown_before_self_healing_knows() -> None:
    g = gathered(living=frozenset(), slots={"web": RunFact(Run("web", 4, 501, 195_000), True)})
    row = compose(g)["kernels"]["web"]
    assert (row["run"], row["pid"], row["state"], row["uptime_s"]) == (4, 501, "ready", 50.0)


def test_critical_is_what_the_configuration_says() -> None:
    found = compose(gathered(specs={"web": Kernel("web", ("web",), critical=True)}))
    assert found["kernels"]["web"]["critical"] is True


def test_a_kernel_nobody_has_told_of_yet_is_meant_to_run_if_it_starts_by_itself() -> None:
    specs = {"late": Kernel("late", ("x",)), "manual": Kernel("manual", ("x",), autostart=False)}
    g = replace(gathered(specs=specs), views={m: view(m) for m in MEMBERS if m != "self_healing"})
    found = compose(g)
    assert found["kernels"]["late"]["state"] == found["kernels"]["manual"]["state"] == "stopped"
    assert not found["healthy"]
    assert compose(replace(g, specs={"manual": specs["manual"]}))["healthy"]


def test_a_run_of_which_nobody_has_told_is_ready_by_its_age() -> None:
    """The spawner has restarted it; a kernel between crashes is not shown as well."""
    for start_ticks, state in ((199_990, "starting"), (195_000, "ready")):
        newer = {"web": RunFact(Run("web", 4, 501, start_ticks), True)}
        g = gathered(living=frozenset(), slots=newer)
        assert compose(g)["kernels"]["web"]["state"] == state
