"""All kernels of a home: the table for each, a heap of what is due when, and an index of who depends on whom.

No turn looks at all of them: an event costs what it changes. No I/O, no clock: (event, now) -> actions.
"""

import heapq
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from graced.core.kernels import adoption, graph, ladder, memory, orders, readiness, table
from graced.core.kernels.state import Climbing, Ending, Failed, Kernel, Starting, Up, Waiting
from graced.core.kernels.vocabulary import (
    Asked,
    Due,
    KernelAction,
    KernelActions,
    KernelEvent,
    Mended,
    PersonRestarts,
    PersonStarts,
    PersonStops,
    Renewed,
    RunBorn,
    RunEnded,
    RunFound,
    Save,
    SourcesMended,
    SourcesRenewed,
    StartRefused,
    Told,
)

NEVER: Final = float("inf")

Taken = KernelEvent | Asked | SourcesMended | SourcesRenewed | Told


class Kernels:
    """Mapping of names to kernels as they are now. `parallel`: at most so many are being started at once."""

    def __init__(self, kernels: Iterable[Kernel] = (), parallel: int | None = None) -> None:
        self._kernels = {kernel.name: kernel for kernel in kernels}
        self._parallel = parallel
        self._specs = {name: kernel.spec for name, kernel in self._kernels.items()}
        self._dependants = graph.dependants(self._specs)
        self._touched: dict[str, None] = dict.fromkeys(self._kernels)  # to be looked at in the next `tend`
        self._heap: list[tuple[float, str]] = []
        self._due: dict[str, float] = {}  # what of the heap still holds
        self._starting: set[str] = set()
        self._in_line: dict[str, None] = {}  # due, and waiting for room
        self._failed: dict[str, None] = {}
        for kernel in self._kernels.values():
            self._count(kernel)

    def __getitem__(self, name: str) -> Kernel:
        return self._kernels[name]

    def __contains__(self, name: object) -> bool:
        return name in self._kernels

    def __iter__(self) -> Iterator[str]:
        return iter(self._kernels)

    def __len__(self) -> int:
        return len(self._kernels)

    def get(self, name: str) -> Kernel | None:
        return self._kernels.get(name)

    def values(self) -> Iterable[Kernel]:
        return self._kernels.values()

    def failed(self) -> list[Kernel]:
        """Those whose ladder is over."""
        return [self._kernels[name] for name in self._failed]

    # --- events

    def take(self, event: Taken, now: float) -> KernelActions:
        """What the event changes at once. What follows of it is done by `tend`."""
        return tuple(action for one in self._spread(event) for action in self._apply(one, now))

    def _spread(self, event: Taken) -> Iterator[KernelEvent]:
        """The event as those of single kernels that this home has."""
        match event:
            case Asked("start"):
                for name in graph.with_dependencies(self._specs, event.names):
                    yield PersonStarts(name, name in event.names)
            case Asked("stop"):
                yield from (PersonStops(name) for name in event.names if name in self)
            case Asked("restart"):
                yield from (PersonRestarts(name) for name in event.names if name in self)
                dead = [name for name in event.names if name in self and not self[name].alive]
                for name in graph.with_dependencies(self._specs, dead):
                    if name not in event.names:
                        yield PersonStarts(name, named=False)
            case SourcesMended():
                for down in tuple(self._kernels.values()):
                    path = ladder.concerned(down, event.paths)
                    if path is not None:
                        yield Mended(down.name, path)
            case SourcesRenewed():
                yield from (Renewed(name) for name in event.names if name in self)
            case Told():
                kernel = self.get(event.running.kernel)
                if kernel is not None:
                    yield from adoption.events(kernel, event.running, event.since)
                    if event.refused:
                        yield StartRefused(kernel.name)
            case Asked():
                raise ValueError(event.what)
            case _:
                if _name(event) in self:
                    yield event

    def _apply(self, event: KernelEvent, now: float) -> KernelActions:
        old = self._kernels[_name(event)]
        new, actions = table.step(old, event, now)
        if not isinstance(event, Due):
            self._touched[new.name] = None
        if new is old:
            return actions
        self._kernels[new.name] = new
        self._count(new)
        self._wake_others(old, new)
        return (*actions, Save(new)) if memory.worth_saving(old, new) else actions

    def _count(self, kernel: Kernel) -> None:
        """Keep the indexes: who is being started, who waits for its turn, when it is due."""
        name, phase = kernel.name, kernel.phase
        if isinstance(phase, Failed):
            self._failed[name] = None
        else:
            self._failed.pop(name, None)
        if isinstance(phase, Starting) or (isinstance(phase, Up) and not phase.ready):
            self._starting.add(name)
            self._in_line.pop(name, None)
            return
        queued = isinstance(phase, Waiting) and phase.held_by == "turn"
        if queued:
            self._in_line[name] = None
        if name in self._starting or (not queued and name in self._in_line):
            self._starting.discard(name)
            if not queued:
                self._in_line.pop(name, None)
            self._wake_line()

    def _wake_line(self) -> None:
        """As many of those that wait for their turn as there is room for."""
        room = len(self._in_line) if self._parallel is None else self._parallel - len(self._starting)
        self._touched.update((name, None) for name in islice(self._in_line, max(0, room)))

    def _wake_others(self, old: Kernel, new: Kernel) -> None:
        """Whoever waits for what has just changed here is looked at again."""
        if readiness.satisfied(new) and not readiness.satisfied(old):
            self._touched.update(dict.fromkeys(self._dependants[new.name]))
        if isinstance(old.phase, Ending) and not isinstance(new.phase, Ending):
            self._touched.update((name, None) for name in graph.needs(new.spec) if name in self)

    # --- the passing of time

    def tend(self, now: float) -> KernelActions:
        """What is due, and what has changed around a kernel."""
        actions: list[KernelAction] = []
        while names := self._to_look_at(now):
            for name in names:
                actions += self._apply(self._look(name), now)
                self._schedule(name, now)
        return tuple(actions)

    def _to_look_at(self, now: float) -> list[str]:
        names, self._touched = self._touched, {}
        while self._heap and self._heap[0][0] <= now:
            at, name = heapq.heappop(self._heap)
            if self._due.get(name) == at:
                del self._due[name]
                names[name] = None
        return list(names)

    def _look(self, name: str) -> Due:
        kernel = self._kernels[name]
        if isinstance(kernel.phase, (Waiting, Starting, Failed)):
            needs = (self._kernels[n] for n in graph.needs(kernel.spec) if n in self)
            room = self._parallel is None or len(self._starting) < self._parallel
            return Due(name, needs_ready=all(readiness.satisfied(need) for need in needs), room=room)
        if isinstance(kernel.phase, Ending):
            ending = (isinstance(self._kernels[n].phase, Ending) for n in self._dependants[name])
            return Due(name, outlived=not any(ending))
        return Due(name)

    def _schedule(self, name: str, now: float) -> None:
        at = due_at(self._kernels[name], now)
        if at == NEVER:
            self._due.pop(name, None)
        elif self._due.get(name) != at:
            self._due[name] = at
            heapq.heappush(self._heap, (at, name))

    def wake_at(self) -> float:
        """When `tend` has something to do; infinite: only after an event."""
        if self._touched:
            return 0.0
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else NEVER


def _name(event: KernelEvent) -> str:
    return event.run.kernel if isinstance(event, (RunBorn, RunEnded, RunFound)) else event.kernel


def due_at(kernel: Kernel, now: float) -> float:
    """When time alone changes something for it, once it was looked at `now`."""
    match kernel.phase:
        case Waiting(held_by=""):
            return kernel.phase.until
        case Starting():
            return kernel.phase.asked + table.RESEND_S
        case Up():
            return min(orders.changes_at(kernel, now), ladder.length_tells_at(kernel, now), readiness.ready_at(kernel))
        case Ending(asked=asked) if asked:
            return asked + table.RESEND_S
        case Climbing():
            again = kernel.phase.asked + ladder.RESEND_S
            return min(again, kernel.phase.since + ladder.limit_s(kernel.phase.rung))
        case Failed(until=until) if until is not None:
            return until
    return NEVER
