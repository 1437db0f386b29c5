"""A rung that puts sources back waits while a mend of them is on trial: the coding agent may take it back."""

from collections.abc import Iterator
from typing import Any

import pytest

from graced.core.vocabulary import Perform, RunContext
from graced.members.self_healing import SelfHealing
from graced.members.step_workers import StepOutcome
from graced.sim.checks import all_checks
from graced.sim.run import playbooks
from graced.sim.world import World
from graced.store import tables

RUN = "web-run1.restore_source.1"


@pytest.fixture
def world() -> Iterator[World]:
    world = World(5, playbooks(), all_checks())
    world.start()
    world.clock.run_until(world.clock.now + 5.0)
    return world


@pytest.fixture
def healing(world: World) -> SelfHealing:
    duty = world.wires.bound["self_healing"].duty
    assert isinstance(duty, SelfHealing)
    return duty


@pytest.mark.parametrize(("end", "restored"), [("undone", False), ("done", True)])
def test_a_restore_waits_for_the_end_of_a_trial(
    world: World, healing: SelfHealing, monkeypatch: pytest.MonkeyPatch, end: Any, restored: bool
) -> None:
    rungs, shell, done = healing._rungs, healing.shell, []
    begun: list[str] = []
    kernel = healing.kernels["web"]
    monkeypatch.setattr(rungs, "_restore", lambda action, kernel: begun.append(kernel.name))
    monkeypatch.setattr(rungs, "_done", lambda action, outcome: done.append(outcome))
    monkeypatch.setattr(shell, "state", _Having(shell.state))
    store = shell.store
    tables.add_task(store, "t1", kernel.spec.sources[0], "SyntaxError", "2026-01-01T00:00:00.000Z")
    store.flush()
    assert tables.claim_next(store, "coding_agent-1", "t1") is not None
    store.flush()
    context = RunContext("restore_source", "restore", "web", "web-run1", "ladder", {})
    action = Perform(RUN, 0, 1, "restore_source", {"kernel": "web"}, 60.0, context)
    later: list[Any] = []
    monkeypatch.setattr(shell, "after", lambda seconds, call: later.append(call))
    rungs.restore(action)
    assert (begun, done, len(later)) == ([], [], 1)
    tables.finish_task(store, "t1", end, "2026-01-01T00:00:01.000Z")
    store.flush()
    later[0]()
    assert begun == (["web"] if restored else [])
    assert [o.ok for o in done if isinstance(o, StepOutcome)] == ([] if restored else [True])


class _Having:
    """A state in which the run is at work."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self.runs = {RUN: None}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)
