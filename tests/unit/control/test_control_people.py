"""Commands to kernels by a person, against a self_healing that is made up."""

from collections.abc import Callable
from typing import Any

import pytest
from control_ward import FakeMember, write_role

from graced.bus.protocol import KernelView, PeerView, Reply, View
from graced.control import people
from graced.control.errors import EX_NOTHING_RUNS, Refusal
from graced.home.paths import Home
from graced.posix import proc
from graced.spec.config import Kernel, Ready, Stop
from graced.spec.run import Run

SPECS = {"web": Kernel("web", ("x",), stop=Stop(timeout_s=0.5), ready=Ready(timeout_s=0.5))}


class Healing:
    """self_healing with one kernel, whose process is this very process: it cannot be told from a living one."""

    def __init__(self, home: Home, **verbs: Callable[[dict[str, Any]], Any]) -> None:
        me = proc.me()
        self.kernel = KernelView(
            Run("web", 1, me.pid, me.start_ticks, me.boot_id, 1.0), "ready", "", 0, None, False, None, True, False, 0.0
        )
        self._me = me
        handlers = {verb.replace("_", "."): handler for verb, handler in verbs.items()}
        self.member = FakeMember(home, "self_healing", {"status": lambda args: self._view(), **handlers})

    def _view(self) -> View:
        peers: dict[str, PeerView] = {}
        return View(
            "self_healing", self._me.pid, self._me.start_ticks, 1, 0.0, 0.0, True, 0.0, peers, [],
            kernels={"web": self.kernel},
        )  # fmt: skip

    def change(self, **changes: Any) -> None:
        from msgspec.structs import replace

        run = {key: changes.pop(key) for key in ("run", "pid") if key in changes}
        self.kernel = replace(self.kernel, run=replace(self.kernel.run, **run), **changes)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "SPARE_S", 0.5)
    monkeypatch.setattr(people, "ANSWER_S", 0.3)


def test_stop_returns_when_the_kernel_is_known_dead(home: Home) -> None:
    def stop(args: dict[str, Any]) -> dict[str, Any]:
        healing.change(pid=0, state="stopped", wanted=False, stopped_by_person=True)
        return args

    healing = Healing(home, kernels_stop=stop)
    try:
        assert people.stop_kernels(home, SPECS, ["web"], lambda done: None) == (["web"], [])
        assert people.stop_kernels(home, SPECS, ["web"], lambda done: None) == ([], [])
    finally:
        healing.member.close()


def test_stop_names_what_does_not_end(home: Home) -> None:
    healing = Healing(home, kernels_stop=lambda args: args)
    try:
        assert people.stop_kernels(home, SPECS, ["web"], lambda done: None) == (["web"], ["web"])
    finally:
        healing.member.close()


def test_restart_waits_for_a_greater_run_that_is_ready(home: Home) -> None:
    looks = 0

    def restart(args: dict[str, Any]) -> dict[str, Any]:
        healing.change(run=2, state="starting")
        return args

    def look(done: int) -> None:
        nonlocal looks
        looks += 1
        assert done == (healing.kernel.state == "ready")
        healing.change(state="ready")

    healing = Healing(home, kernels_restart=restart)
    try:
        assert people.restart_kernels(home, SPECS, ["web"], look) == []
    finally:
        healing.member.close()
    assert looks >= 2


def test_a_restart_whose_answer_got_lost_is_not_asked_for_twice(home: Home) -> None:
    def restart(args: dict[str, Any]) -> None:
        healing.change(run=healing.kernel.run.run + 1)

    healing = Healing(home, kernels_restart=restart)
    try:
        assert people.restart_kernels(home, SPECS, ["web"], lambda done: None) == []
    finally:
        healing.member.close()
    assert healing.kernel.run.run == 2


def test_a_kernel_that_fails_ends_the_wait(home: Home) -> None:
    def restart(args: dict[str, Any]) -> dict[str, Any]:
        healing.change(run=2, pid=0, state="failed")
        return args

    healing = Healing(home, kernels_restart=restart)
    try:
        assert people.restart_kernels(home, SPECS, ["web"], lambda done: None) == ["web"]
    finally:
        healing.member.close()


def test_it_is_asked_again_while_it_does_not_answer(home: Home) -> None:
    answers = iter([None, None, {"names": ["web"]}])
    healing = Healing(home, kernels_start=lambda args: next(answers))
    try:
        assert people.insist(home, "self_healing", "kernels.start", {"names": ["web"]}) == {"names": ["web"]}
    finally:
        healing.member.close()


def test_its_refusal_is_told_in_its_own_words(home: Home) -> None:
    healing = Healing(home, kernels_start=lambda args: Reply("", False, error="no kernel wep"))
    try:
        with pytest.raises(Refusal, match="no kernel wep"):
            people.insist(home, "self_healing", "kernels.start", {"names": ["wep"]})
    finally:
        healing.member.close()


def test_nobody_alive_is_exit_3(home: Home) -> None:
    with pytest.raises(Refusal) as refused:
        people.insist(home, "self_healing", "kernels.start", {})
    assert refused.value.code == EX_NOTHING_RUNS


def test_one_that_never_answers_is_given_up(home: Home) -> None:
    write_role(home, "self_healing", proc.me())
    with pytest.raises(Refusal, match="has not answered for"):
        people.insist(home, "self_healing", "kernels.start", {}, patience_s=0.5)
