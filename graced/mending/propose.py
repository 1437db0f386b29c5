"""One file's repair, proved by the gates, but not applied: what `graced fix` and the coding agent both ask for."""

import ast
import sys
from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from graced.mending.hands_off import reason
from graced.mending.interpreter import Checker
from graced.mending.past import past_of
from graced.mending.restored import restored

if TYPE_CHECKING:
    from graced.mending.backend import Asked

State = Literal["intact", "fixed", "suggested", "not_fixed"]
BUDGET_S: Final = 4.5
COMMENT_CONFIDENCE: Final = 0.97
"""Of comments whose bytes are declared, or made UTF-8: no code changes."""
NEWER_CONFIDENCE: Final = 0.4
"""Of a repair of what may be no fault at all: below any sensible limit."""


class Proposal(Struct, frozen=True):
    """`fixed`: good enough to be applied. `suggested`: compiles, but see `why`. `after`: the bytes, None without any.

    `errors`: what the interpreter said; `edits`: changed places; `ms`: what finding it took. `rules`: what the engine
    did, in its own words; `other`: the next best reading of what was meant, None without any. `by_law`: however
    sure, a person must see it first.
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
    error = checker.error(source)
    if error is None:
        return INTACT
    off = None if given.forced else reason(path, source, checker.python is not None, given.met)
    if off is not None and off.how == "leave":
        return Proposal("not_fixed", (error,), 0, 0.0, 0.0, None, off.why)
    past = past_of(path, source, checker, given.texts, given.good, given.disowned)
    found = _by_bytes(source, error, checker, min_confidence)
    found = found or _by_engine(path, source, error, checker, min_confidence, past)
    if found.state != "fixed" and backend is not None:
        from graced.mending.second_opinion import second_opinion

        found = second_opinion(path, source, found, checker, min_confidence, backend)
    if off is not None and found.state == "fixed" and not (past and off.unless_it_compiled):
        found = replace(found, state="suggested", why=off.why)
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


def _by_bytes(source: bytes, error: str, checker: Checker, min_confidence: float) -> Proposal | None:
    """Of a file that Python refuses for the bytes of its comments alone; None when that is not what is wrong."""
    from graced.mending.gates import changed_places, parsed
    from graced.mending.interpreter import refused_bytes
    from graced.repair.text import decode

    if refused_bytes(source) is None:
        return None
    try:
        before = ast.dump(ast.parse(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    decoded = decode(source)
    after = decoded.encode(decoded.text)
    tree = parsed(after)
    if tree is None or ast.dump(tree) != before:
        return None
    confidence = COMMENT_CONFIDENCE if decoded.sure else NEWER_CONFIDENCE
    state: State = "fixed" if confidence >= min_confidence else "suggested"
    why = "" if state == "fixed" else "nobody knows in which encoding its comments are"
    edits = changed_places(source, after)
    return gated(source, after, Proposal(state, (error,), edits, confidence, 0.0, None, why), checker)


def _by_engine(
    path: str, source: bytes, error: str, checker: Checker, min_confidence: float, past: tuple[str, ...]
) -> Proposal:
    from graced.repair import repair

    python = checker.version if checker.foreign else None
    made = repair(
        source, filename=path, python=python, min_confidence=min_confidence, budget_s=BUDGET_S, past=past
    )  # fmt: skip
    errors = made.errors or (error,)
    if made.fixed is None or made.state == "intact":
        why = made.notes[0] if made.notes and made.state != "intact" else "no repair was found"
        return Proposal("not_fixed", errors, 0, 0.0, made.ms, None, why)
    by_law = made.state != "fixed" and made.confidence >= min_confidence
    why = "" if made.state == "fixed" else f"its confidence {made.confidence:.2f} is below {min_confidence:g}"
    why = "a person must see it first" if by_law else why
    found = Proposal(made.state, errors, made.edits, made.confidence, made.ms, None, why, made.notes, None, by_law)
    other = restored(source, past[0], errors[0], checker) if past else None
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
