"""One file's repair, proved by the gates, but not applied: what `graced fix` and the coding agent both ask for."""

from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from graced.mending.interpreter import Checker

if TYPE_CHECKING:
    from graced.mending.backend import Asked

State = Literal["intact", "fixed", "suggested", "not_fixed"]
UNSURE: Final = "it is not sure enough"
LEFT_ALONE: Final = "left alone: "
"""The engine's words: of a repair that breaks no law, and the beginning of those of what it does not touch."""


class Proposal(Struct, frozen=True):
    """`fixed`: good enough to be applied. `suggested`: compiles, but see `why`. `after`: the bytes, None without any.

    `errors`: what the interpreter said; `edits`: changed places; `ms`: what finding it took. `rules`: what the engine
    did, in its own words; `other`: the next best reading of what was meant, None without any. `by_law`: however
    sure, a person must see it first. `left_alone`: it is none of our business, nor of a back end's.
    """

    state: State
    errors: tuple[str, ...] = ()
    edits: int = 0
    confidence: float = 1.0
    ms: float = 0.0
    after: bytes | None = None
    why: str = ""
    rules: tuple[str, ...] = ()
    other: bytes | None = None
    by_law: bool = False
    left_alone: bool = False

    @property
    def error(self) -> str:
        return self.errors[0] if self.errors else ""


INTACT: Final = Proposal("intact")


class Given(Struct, frozen=True):
    """What is known of a file besides its bytes. `texts` and `good`: the folder of kept texts, and the hashes of those
    of this file; `disowned`: of texts that a person took back. `met`: see hands_off.reason. `forced`: a person says
    that the file is his to mend, whatever it looks like."""

    texts: str = ""
    good: tuple[str, ...] = ()
    disowned: tuple[str, ...] = ()
    met: bool = False
    forced: bool = False


UNKNOWN: Final = Given()


def propose(
    path: str,
    source: bytes,
    checker: Checker,
    min_confidence: float,
    backend: "Asked | None" = None,
    given: Given = UNKNOWN,
) -> Proposal:
    """A repair of `source`, by the engine, else by `backend`. Never raises for what the file holds.

    Raises Unusable when the interpreter of `checker` cannot be asked.
    """
    from graced.mending.hands_off import name_for_engine, reason
    from graced.mending.past import past_of

    error = checker.error(source)
    if error is None:
        return INTACT
    off = None if given.forced else reason(path, source, checker.python is not None, given.met)
    if off is not None and off.how == "leave":
        return Proposal("not_fixed", (error,), 0, 0.0, 0.0, None, off.why)
    past = past_of(path, source, checker, given.texts, given.good, given.disowned)
    name = name_for_engine(path, given.met, bool(past) or given.forced)
    found = _by_engine(name, source, error, checker, min_confidence, past)
    if found.state != "fixed" and backend is not None and not found.left_alone:
        from graced.mending.second_opinion import second_opinion

        found = second_opinion(path, source, found, checker, min_confidence, backend)
    if off is not None and found.left_alone:
        found = replace(found, why=off.why)
    elif off is not None and found.state == "fixed" and not (past and off.unless_it_compiled):
        found = replace(found, state="suggested", why=off.why)
    return found


def _by_engine(
    name: str, source: bytes, error: str, checker: Checker, min_confidence: float, past: tuple[str, ...]
) -> Proposal:
    from graced.mending.restored import restored
    from graced.repair import repair

    python = checker.version if checker.python is not None else None
    made = repair(source, filename=name, python=python, min_confidence=min_confidence, past=past)
    errors = made.errors or (error,)
    if made.fixed is None or made.state == "intact":
        why = made.why or "no repair was found"
        return Proposal("not_fixed", errors, 0, 0.0, made.ms, None, why, left_alone=why.startswith(LEFT_ALONE))
    by_law = made.state == "suggested" and made.why != UNSURE
    why = f"its confidence {made.confidence:.2f} is below {min_confidence:g}" if made.why == UNSURE else made.why
    found = Proposal(made.state, errors, made.edits, made.confidence, made.ms, None, why, made.notes, by_law=by_law)
    other = restored(source, past, checker)
    return gated(source, made.fixed, replace(found, other=other if other != made.fixed else None), checker)


def gated(source: bytes, after: bytes, found: Proposal, checker: Checker) -> Proposal:
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
    return replace(found, state=state, after=after, why=why)
