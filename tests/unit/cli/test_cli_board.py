"""The status table, from status objects that are made up."""

import copy
import time
from datetime import UTC, datetime
from typing import Any

import click
import msgspec
import pytest

from graced.cli.board import board, headline
from graced.cli.out import size, span
from graced.cli.status import code_of, narrowed
from graced.control.explain import Explanation
from graced.control.log_notes import local
from graced.spec.roles import MEMBERS
from graced.status.structs import Status


def member(**changes: Any) -> dict[str, Any]:
    return {
        "pid": 10, "state": "healthy", "incarnation": 1, "started_at": "2026-01-01T00:00:00.000Z", "uptime_s": 3725.0,
        "heartbeat_age_s": 0.2, "restarts": 0, "rss_bytes": 20 << 20, "pss_bytes": 8 << 20, "cpu_s": 1.0,
        "loop_lag_s": 0.001, "detail": {},
    } | changes  # fmt: skip


def kernel(**changes: Any) -> dict[str, Any]:
    return {
        "pid": 20, "state": "ready", "run": 1, "reason": "", "started_at": None, "uptime_s": 12.0, "restarts": 0,
        "exit": None, "critical": False, "rung": None, "rss_bytes": 512 << 10, "cpu_s": 0.1,
    } | changes  # fmt: skip


def status(**changes: Any) -> dict[str, Any]:
    return {
        "schema": 1, "at": "2026-01-01T00:00:00.000Z", "version": "0.1.0", "home": "/srv/.graced", "pid": 10,
        "mode": "normal", "healthy": True, "mutual_recovery": "ready", "emergency": "armed", "source": "watchdog",
        "members": {name: member() for name in MEMBERS}, "kernels": {"web": kernel(), "db": kernel(critical=True)},
        "recoveries": {"mutual": 0, "emergency": 0, "kernel": 0}, "delegations": [],
        "code": {"files": 3, "broken": 0, "scanned_at": None},
        "tasks": {"queued": 0, "running": 0, "done": 0, "failed": 0, "undone": 0}, "approvals": 0,
        "audit": {"records": 1, "head": "0" * 64, "degraded": False},
    } | changes  # fmt: skip


def typed(found: dict[str, Any]) -> Status:
    return msgspec.convert(found, Status)


def text(found: dict[str, Any], columns: int = 80, names: tuple[str, ...] = ()) -> str:
    return click.unstyle(board(typed(found), columns, names))


def with_kernel(name: str, **changes: Any) -> dict[str, Any]:
    found = status(healthy=False)
    found["kernels"] = {**found["kernels"], name: kernel(**changes)}
    return found


def test_the_first_line_of_a_healthy_home() -> None:
    found = status(kernels={f"k{n}": kernel() for n in range(20)})
    assert (
        click.unstyle(headline(typed(found)))
        == "healthy · 20/20 kernels · mutual recovery ready · emergency armed · 0 syntax errors"
    )


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"mode": "recovering", "healthy": False}, "recovering"),
        ({"mode": "emergency", "healthy": False}, "emergency"),
        ({"mode": "normal", "healthy": False}, "not healthy"),
        ({"mode": "stopped", "healthy": False}, "stopped"),
    ],
)
def test_the_first_word_says_what_is_up(changes: dict[str, Any], word: str) -> None:
    assert text(status(**changes)).startswith(f"{word} · ")


def test_kernels_that_need_not_run_are_not_counted() -> None:
    idle = {state: kernel(state=state, pid=None) for state in ("stopped", "exited", "scheduled")}
    assert "1/2 kernels" in headline(typed(status(kernels={"a": kernel(), "b": kernel(state="failed"), **idle})))


def test_one_syntax_error_is_singular() -> None:
    found = status(code={"files": 3, "broken": 1, "scanned_at": None})
    assert headline(typed(found)).endswith("1 syntax error")
    assert "`graced tasks`" in text(found)


REASON = "exit code 1; restarted 5 times within 60 s; " * 4 + "the end of the reason"
PATH = "/a/very/long/path/" * 8 + "end.py"


def explained(name: str, **changes: Any) -> Explanation:
    why = Explanation(
        name=name, kind="kernel", state="failed", since="2026-01-01T03:00:00.000Z", reason=REASON, exit={"code": 1},
        log=("Traceback (most recent call last):", f'  File "{PATH}", line 3'), waits_for=(), rung="notify",
        next_try="2026-01-01T03:00:30.000Z", incident=f"{name}-run3", told="nobody outside: `notify` is empty",
        commands=(),
    )  # fmt: skip
    return msgspec.structs.replace(why, **changes)


@pytest.mark.parametrize("columns", [120, 80, 60, 40])
def test_no_line_but_the_first_is_wider_than_the_terminal_and_the_reason_is_whole(columns: int) -> None:
    name = "a-kernel-with-a-very-long-name-indeed"
    found = with_kernel(name, state="failed", reason=REASON, pid=None, started_at=None)
    shown = click.unstyle(board(typed(found), columns, why={name: explained(name)}))
    lines = [line for line in shown.splitlines()[1:] if not line.startswith((f"{name} is failed", "    more: "))]
    assert max(map(len, lines)) <= columns, [line for line in lines if len(line) > columns]
    assert " ".join(REASON.split()) in " ".join(shown.split()), "never cut"
    assert "end.py" in shown, "a path is cut in its middle"


def test_off_a_terminal_nothing_is_cut() -> None:
    name = "a-kernel-with-a-very-long-name-indeed-longer-than-any-column-may-be"
    found = with_kernel(name, state="failed", reason=REASON, pid=None)
    found["kernels"].update({f"k{n}": kernel() for n in range(100)})
    shown = click.unstyle(board(typed(found), 0, why={name: explained(name)}))
    assert REASON in shown and PATH in shown and "…" not in shown
    assert any(line.startswith(f"{name}  failed") for line in shown.splitlines())
    assert "k99" in shown


def test_what_is_wrong_comes_before_the_kernels_and_they_before_the_members() -> None:
    found = with_kernel("worst", state="failed", reason="exit code 1", pid=None)
    shown = click.unstyle(board(typed(found), 80, why={"worst": explained("worst", reason="exit code 1")}))
    places = [
        shown.index(part)
        for part in (
            "worst is failed since", "exit code 1", "tried next at", "told: nobody outside", "last lines of its log",
            "`graced why worst`", "KERNEL", "graced itself: 7 members healthy",
        )
    ]  # fmt: skip
    assert places == sorted(places)
    table = shown[shown.index("KERNEL") :].splitlines()
    assert table[0].split()[:3] == ["KERNEL", "STATE", "PID"]
    assert table[1].startswith("worst")


def test_members_that_are_well_are_one_line_unless_they_are_asked_for() -> None:
    found = status()
    assert "watchdog" not in text(found)
    assert all(name in click.unstyle(board(typed(found), 80, all_members=True)) for name in MEMBERS)
    found["members"]["trigger"] = member(state="down", pid=None, detail={"evidence": "exit"})
    shown = text(found)
    assert "watchdog" not in shown and "6 of 7 members healthy" in shown
    assert shown.index("trigger is down:") < shown.index("its process has ended") < shown.index("KERNEL")


def test_times_are_local_with_their_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        now = datetime.now(UTC).replace(microsecond=0)
        found = status(kernels={"web": kernel(started_at=now.isoformat().replace("+00:00", ".000Z"))})
        shown = text(found)
        assert "SINCE IST" in shown
        assert f"{now.astimezone():%H:%M:%S}" in shown
        assert local("2001-01-01T00:00:00.000Z") == "2001-01-01 05:30:00 IST"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("names", "code"),
    [
        ((), 1),
        (("web",), 0),
        (("bad",), 1),
        (("web", "bad"), 1),
        (("quiet",), 0),
        (("watchdog",), 0),
        (("trigger",), 1),
    ],
)
def test_with_names_the_trouble_of_others_does_not_count(names: tuple[str, ...], code: int) -> None:
    found = with_kernel("bad", state="failed", pid=None)
    found["kernels"]["quiet"] = kernel(state="stopped", pid=None)
    found["members"]["trigger"] = member(state="suspect")
    assert code_of(typed(found), names) == code


def test_many_kernels_are_folded_but_never_one_in_trouble() -> None:
    found = status(kernels={f"k{n}": kernel(state="failed" if n >= 95 else "ready") for n in range(100)}, healthy=False)
    lines = text(found).splitlines()
    assert sum(line.split()[1:2] == ["failed"] for line in lines) == 5
    assert "and 70 more in no trouble: `graced status '*'` shows all" in lines
    assert not any("in no trouble" in line for line in text(found, names=tuple(found["kernels"])).splitlines())


def test_what_a_person_stopped_is_no_trouble() -> None:
    lines = text(with_kernel("quiet", state="stopped", reason="signal 15", pid=None, exit={"signal": 15})).splitlines()
    assert any(line.startswith("quiet") for line in lines)
    assert not any(line.strip() == "signal 15" for line in lines)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"state": "down", "pid": None, "detail": {"evidence": "exit"}}, "its process has ended"),
        ({"state": "suspect", "detail": {"evidence": "stopped"}}, "stopped by a signal"),
        (
            {"state": "failed", "pid": None, "detail": {"reason": "exit code 1: SyntaxError"}},
            "exit code 1: SyntaxError",
        ),
        ({"state": "starting"}, "has not called itself healthy yet"),
    ],
)
def test_a_member_that_is_not_well_has_a_reason(changes: dict[str, Any], words: str) -> None:
    found = status(healthy=False, mode="recovering")
    found["members"]["trigger"] = member(**changes)
    assert words in text(found)


def test_nothing_runs_but_kernels_do() -> None:
    found = text(status(mode="stopped", healthy=False))
    assert "start it with `graced start`" in found
    assert "2 kernels run on without it" in found


def test_names_narrow_the_table_and_the_object() -> None:
    found = text(status(), names=("web", "trigger"))
    assert "trigger" in found and "web" in found
    assert "watchdog" not in found.splitlines()[-1] and "db" not in found
    narrow = msgspec.to_builtins(narrowed(typed(status()), ["web"]))
    assert (list(narrow["kernels"]), list(narrow["members"])) == (["web"], [])
    assert list(narrow) == list(status())
    assert narrowed(typed(status()), []) == typed(status())


def test_delegations_and_a_degraded_audit_are_told() -> None:
    lease = {"agent": "architect", "powers": ["deploy_fix"], "incident": "x", "expires_at": "2026-01-01T00:00:05.000Z"}
    found = status(delegations=[lease], audit={"records": 1, "head": "", "degraded": True}, approvals=2)
    shown = text(found)
    assert f"architect may deploy_fix until {local('2026-01-01T00:00:05.000Z')}" in shown
    assert "make room, or mend the file" in shown
    assert "2 wait for your word" in shown


def test_a_member_of_which_nothing_could_be_measured() -> None:
    found = copy.deepcopy(status())
    found["members"]["trigger"] = member(
        pid=None, state="down", uptime_s=None, heartbeat_age_s=None, rss_bytes=None, pss_bytes=None, loop_lag_s=None
    )
    lines = click.unstyle(board(typed(found), 80, all_members=True)).splitlines()
    line = next(line for line in lines if line.startswith("trigger  "))
    assert line.split()[1:] == ["down", "-", "-", "-", "-", "-", "0"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "-"),
        (0.04, "0.0s"),
        (9.94, "9.9s"),
        (42.7, "42s"),
        (303, "5m 3s"),
        (7440, "2h 4m"),
        (284400, "3d 7h"),
        (1e7, "115d"),
    ],
)
def test_spans(seconds: float | None, words: str) -> None:
    assert span(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [(None, "-"), (0, "0K"), (524288, "512K"), (9_856_614, "9.4M"), (20 << 20, "20M"), (3 << 30, "3.0G")],
)
def test_sizes(count: int | None, words: str) -> None:
    assert size(count) == words
