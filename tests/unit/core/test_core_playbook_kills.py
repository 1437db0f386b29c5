"""Random playbooks whose executor dies at random moments end as if nothing had been, and no attempt is done twice.

The world here keeps to what the shell promises: rows are written at the end of a turn, after its actions were begun, so
a death loses the rows of its turn; an attempt is performed once, whoever asks (graced.members.step_workers).
"""

from typing import Any

from core_kit import NOW, member, newborn, of, run
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from graced.core.state import State
from graced.core.vocabulary import (
    Action,
    EndRun,
    Event,
    Perform,
    Ready,
    Resumed,
    RunAsked,
    RunNote,
    SaveRun,
    StepDone,
    TakeTargets,
    TargetsTaken,
)
from graced.spec.playbook import Playbook, Step

REQUEST = "request"


class World:
    """An executor, what is stored of its run, and what was done: attempt -> how often, and how it ended."""

    def __init__(self, playbook: Playbook, luck: dict[tuple[int, int], bool]) -> None:
        self.playbook, self.luck = playbook, luck
        self.state = self._with(member("self_healing"))
        self.stored: RunNote | None = None
        self.done: dict[tuple[int, int], int] = {}
        self.args: list[dict[str, Any]] = []
        self.events: list[Event] = []
        self.end: EndRun | None = None
        self.now = NOW

    def _with(self, state: State) -> State:
        return replace(state, playbooks={**state.playbooks, self.playbook.name: self.playbook})

    def turn(self, event: Event, dies: bool) -> None:
        """One turn of the loop. `dies`: before its rows are written."""
        self.state, actions = run(self.state, event, now=self.now)
        for action in actions:
            self._act(action, dies)
        if dies:
            self.reborn()
            return
        for save in of(actions, SaveRun):
            self.stored = save.note
        for end in of(actions, EndRun):
            self.end, self.stored = end, None

    def _act(self, action: Action, dies: bool) -> None:
        match action:
            case TakeTargets():
                self.events.append(TargetsTaken(action.run))
            case Perform():
                attempt = (action.step, action.attempt)
                if attempt not in self.done:
                    self.args.append(action.args)
                self.done[attempt] = self.done.get(attempt, 0) + (attempt not in self.done)
                ok = self.luck.get(attempt, True)
                self.events.append(StepDone(action.run, *attempt, ok, "", {"n": action.step}))

    def reborn(self) -> None:
        """The next incarnation reads what is stored; what was not is asked for again by whoever was not answered."""
        self.events.clear()
        self.state = self._with(newborn("self_healing", self.now))
        note = self.stored
        self.events += [Resumed((note,) if note is not None else ()), Ready()]
        if note is None and self.end is None:
            self.events.append(self.request())

    def request(self) -> RunAsked:
        return RunAsked(REQUEST, self.playbook.name, "web", 1, "person", {"who": "given"})


def play(playbook: Playbook, luck: dict[tuple[int, int], bool], deaths: list[bool]) -> World:
    world, fates = World(playbook, luck), list(deaths)
    world.events.append(world.request())
    for _ in range(400):
        if world.end is not None:
            break
        event = world.events.pop(0) if world.events else Ready()
        world.now += 0.3
        world.turn(event, bool(fates and fates.pop(0)))
    return world


steps = st.lists(
    st.builds(
        Step, st.uuids().map(str), st.just("log"), st.just({"message": "{{ who }}"}), retries=st.integers(1, 3),
        parallel=st.booleans(), delay_s=st.sampled_from([0.0, 0.5]), on_failure=st.sampled_from(["stop", "continue"]),
    ),
    min_size=1, max_size=5,
)  # fmt: skip


def log(name: str, *, parallel: bool = False, on_failure: str = "stop") -> Step:
    return Step(name, "log", {"message": "{{ who }}"}, retries=1, parallel=parallel, on_failure=on_failure)


FAILS = {(0, 1): False}
"""The first step does, at its only attempt."""

lucks = st.dictionaries(st.tuples(st.integers(0, 4), st.integers(1, 3)), st.booleans())


# Of a group, one step has failed; the executor dies before it is told what came of the other: once, and twice.
@example([log("a"), log("b", parallel=True)], FAILS, [False, False, False, True])
@example([log("a"), log("b", parallel=True)], FAILS, [False, False, False, True, False, True])
@example([log("a", on_failure="c"), log("b", parallel=True), log("c")], FAILS, [False, False, False, True])
@settings(max_examples=200)
@given(steps, lucks, st.lists(st.booleans(), max_size=25))
def test_a_run_ends_as_if_its_executor_had_never_died(
    found: list[Step], luck: dict[tuple[int, int], bool], deaths: list[bool]
) -> None:
    playbook = Playbook("p", slo_s=1000.0, vars={"who": "default"}, steps=tuple(found))
    calm, rough = play(playbook, luck, []), play(playbook, luck, deaths)
    assert calm.end is not None
    assert rough.end is not None
    assert rough.end.ok == calm.end.ok
    assert [(name, state) for name, state, _ in rough.end.steps] == [(name, state) for name, state, _ in calm.end.steps]
    assert rough.done == calm.done, "every attempt is performed, and none twice"
    assert all(args == {"message": "given"} for args in rough.args)
