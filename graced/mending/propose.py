"""One file's repair, proved by the gates, but not applied: what `graced fix` and the coding agent both ask for."""

import sys
from typing import TYPE_CHECKING, Final, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from graced.mending.interpreter import Checker

if TYPE_CHECKING:
    from graced.mending.backend import Asked

State = Literal["intact", "fixed", "suggested", "not_fixed"]
BUDGET_S: Final = 4.5
NEWER_CONFIDENCE: Final = 0.4
"""Of a repair of what may be no fault at all: below any sensible limit."""


class Proposal(Struct, frozen=True):
    """`fixed`: good enough to be applied. `suggested`: compiles, but see `why`. `after`: the bytes, None without any.

    `errors`: what the interpreter said; `edits`: changed places; `ms`: what finding it took.
    """

    state: State
    errors: tuple[str, ...] = ()
    edits: int = 0
    confidence: float = 1.0
    ms: float = 0.0
    after: bytes | None = None
    why: str = ""

    @property
    def error(self) -> str:
        return self.errors[0] if self.errors else ""


INTACT: Final = Proposal("intact")


def propose(
    path: str, source: bytes, checker: Checker, min_confidence: float, backend: "Asked | None" = None
) -> Proposal:
    """A repair of `source`, by the engine, else by `backend`. Never raises for what the file holds.

    Raises Unusable when the interpreter of `checker` cannot be asked.
    """
    error = checker.error(source)
    if error is None:
        return INTACT
    found = _by_engine(path, source, error, checker, min_confidence)
    if found.state != "fixed" and backend is not None:
        found = _by_backend(path, source, found, checker, min_confidence, backend)
    return _unless_newer(source, found, checker) if found.state == "fixed" else found


def _unless_newer(source: bytes, found: Proposal, checker: Checker) -> Proposal:
    """Only suggested where the file may be right for a newer Python, and nobody said that it runs on ours."""
    if checker.python is not None and checker.version <= sys.version_info[:2]:
        return found
    from graced.repair.newer import newer_syntax

    newer = newer_syntax(source)
    if newer is None:
        return found
    why = f"it has {newer}: say by coding_agent.watch, as {{path, python}}, for which Python it is"
    return replace(found, state="suggested", confidence=min(found.confidence, NEWER_CONFIDENCE), why=why)


def _by_engine(path: str, source: bytes, error: str, checker: Checker, min_confidence: float) -> Proposal:
    from graced.repair import repair

    python = checker.version if checker.python is not None else None
    made = repair(source, filename=path, python=python, min_confidence=min_confidence, budget_s=BUDGET_S)
    errors = made.errors or (error,)
    if made.fixed is None or made.state == "intact":
        why = made.why or "no repair was found"
        return Proposal("not_fixed", errors, 0, 0.0, made.ms, None, why)
    low = made.why
    return _gated(source, made.fixed, Proposal(made.state, errors, made.edits, made.confidence, made.ms, None, low),
                  checker)  # fmt: skip


def _by_backend(
    path: str, source: bytes, found: Proposal, checker: Checker, min_confidence: float, backend: "Asked"
) -> Proposal:
    from graced.mending.backend import CONFIDENCE, answered
    from graced.mending.gates import changed_places
    from graced.mending.spared import harm

    answer, why = answered(backend, path, source, found.error, checker.version)
    if answer is None:
        return Proposal(found.state, found.errors, found.edits, found.confidence, found.ms, found.after,
                        "; ".join(w for w in (found.why, why) if w))  # fmt: skip
    state: State = "fixed" if min_confidence <= CONFIDENCE else "suggested"
    low = "" if state == "fixed" else f"the back end's answers count for {CONFIDENCE:g}, which is below the limit"
    edits = changed_places(source, answer)
    gated = _gated(source, answer, Proposal(state, found.errors, edits, CONFIDENCE, found.ms, None, low), checker)
    if gated.after is None:
        return found
    harmed = harm(source, answer, found.error)
    return msgspec.structs.replace(gated, state="suggested", why=harmed) if harmed is not None else gated


def _gated(source: bytes, after: bytes, found: Proposal, checker: Checker) -> Proposal:
    """The proposal with its bytes, if they pass: they compile, and leave alone what was not broken."""
    left = checker.error(after)
    if left is not None:
        why = f"the repair does not compile: {left}"
        return Proposal("not_fixed", found.errors, 0, 0.0, found.ms, None, why)
    from graced.mending.gates import meddles

    state, why = found.state, found.why
    meddled = meddles(source, after)
    if meddled is not None:
        state, why = "suggested", meddled
    return Proposal(state, found.errors, found.edits, found.confidence, found.ms, after, why)
