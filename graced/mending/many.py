"""Many files at once, without a daemon: worker processes that check and mend, one file after the other."""

import contextlib
import os
import pickle
import select
import struct
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal

from msgspec import Struct

from graced.mending.backend import Asked
from graced.mending.git import is_unmerged
from graced.mending.interpreter import Checker, Unusable, python_of
from graced.mending.originals import Originals
from graced.mending.propose import Given, propose
from graced.mending.put import digest, read_source, replace_bytes, sweep
from graced.mending.repository import repository_of
from graced.mending.spots import Spot, spots
from graced.mending.verify import Verifier, can_stand_in, verify
from graced.spec.config import Watch

BATCH: Final = 8
"""Files that a worker takes at once: fewer, and the pipe is felt; more, and the last one is waited for."""
CHECKED_MAX_BYTES: Final = 16 * 1024 * 1024
"""A larger file is not even looked at; those that are too large to be mended are."""

State = Literal["intact", "fixed", "suggested", "not_fixed"]


class FileFix(Struct, frozen=True):
    """What became of one file. `before`: its bytes, but not of an intact one; `after`, `rules`, `other`: as of a
    Proposal. `spots`: where the errors are.
    """

    path: str
    state: State
    errors: tuple[str, ...] = ()
    edits: int = 0
    confidence: float = 1.0
    ms: float = 0.0
    why: str = ""
    before: bytes | None = None
    after: bytes | None = None
    rules: tuple[str, ...] = ()
    spots: tuple[Spot, ...] = ()
    other: bytes | None = None


class How(Struct, frozen=True):
    """`write`: in place; else the bytes come with the result. `watch` and `kernels`: which interpreter decides where.

    `verifier` has its say before a fix is written, or where it cannot see one before, right after. `apply_below`: what
    is only suggested is written too. `named`: files that a person named, and no walk met; `forced`: whatever they look
    like. `show`: the bytes of intact files come too. `originals`: where what is changed is kept, "" for nowhere.
    `backend`: asked about what is not sure.
    """

    write: bool = True
    min_confidence: float = 0.9
    apply_below: bool = False
    named: frozenset[str] = frozenset()
    forced: bool = False
    originals: str = ""
    backend: Asked | None = None
    watch: tuple[Watch, ...] = ()
    kernels: tuple[Watch, ...] = ()
    show: bool = False
    verifier: Verifier | None = None


def fix_one(path: str, how: How, checkers: dict[str | None, Checker]) -> FileFix:
    """One file, mended in place where that is asked for and good enough. Never raises for what it finds."""
    try:
        source = read_source(path, CHECKED_MAX_BYTES)
    except OSError as error:
        return FileFix(path, "not_fixed", (f"cannot be read: {error.strerror or error}",), 0, 0.0)
    python = python_of(os.path.abspath(path), how.watch, how.kernels)
    try:
        if python not in checkers:
            checkers[python] = Checker(python)
        given = Given(met=path not in how.named, forced=how.forced)
        found = propose(path, source, checkers[python], how.min_confidence, how.backend, given)
    except Unusable as error:
        return FileFix(path, "not_fixed", (str(error),), 0, 0.0)
    if found.state == "intact":
        return FileFix(path, "intact", before=source if how.show else None)
    state: State = found.state
    why = found.why
    merging = "" if how.forced or state == "not_fixed" else _merging(path)
    if merging:
        state, why = "suggested", merging
    wanted = state == "fixed" or (how.apply_below and state == "suggested" and not merging)
    if how.write and found.after is not None and wanted:
        state, why = put(path, source, found.after, how)
    return FileFix(
        path, state, found.errors, found.edits, found.confidence, found.ms, why, before=source, after=found.after,
        rules=found.rules, spots=spots(source, found.errors, found.after), other=found.other,
    )  # fmt: skip


def _merging(path: str) -> str:
    """A person who asks for a fix may be in the middle of a merge, but of this very file git must know no conflict."""
    repository = repository_of(path)
    if repository is None or not repository.trusted() or not is_unmerged(repository, path):
        return ""
    return "git has it as unmerged: a conflict is yours to decide"


def put(path: str, source: bytes, after: bytes, how: How) -> tuple[State, str]:
    """Put a repair in place, its original kept: ("fixed", ""), or what came in between. Never raises."""
    try:
        if how.originals:
            Originals(how.originals).keep(os.path.abspath(path), source, after)
    except OSError as error:
        return "not_fixed", f"its original cannot be kept in {how.originals} (see XDG_STATE_HOME): {error.strerror}"
    try:
        sweep(path)
        return _written(path, source, after, how.verifier)
    except OSError as error:
        return "not_fixed", f"cannot be written: {error.strerror or error}"


def _written(path: str, source: bytes, after: bytes, verifier: Verifier | None) -> tuple[State, str]:
    """The fix in place, if it is proved; raises OSError."""
    changed: tuple[State, str] = "not_fixed", "the file changed meanwhile"
    if verifier is None:
        return ("fixed", "") if replace_bytes(path, digest(source), after) else changed
    if can_stand_in():
        said = _tried(path, after, verifier)
        if said is not None:
            return "suggested", said
        return ("fixed", "") if replace_bytes(path, digest(source), after) else changed
    if not replace_bytes(path, digest(source), after):
        return changed
    said = "verify was interrupted"
    try:
        said = verify(verifier, path, None) or ""
    finally:
        taken_back = not said or replace_bytes(path, digest(after), source, split=True)
    if not said:
        return "fixed", ""
    return ("suggested", said) if taken_back else ("not_fixed", f"{said}; but somebody has changed the file since")


def _tried(path: str, after: bytes, verifier: Verifier) -> str | None:
    """What verify says against the fix, which nobody else sees."""
    import tempfile

    with tempfile.NamedTemporaryFile(prefix=f"graced-{os.path.basename(path)}-") as trial:
        trial.write(after)
        trial.flush()
        os.fchmod(trial.fileno(), os.stat(path).st_mode & 0o777)
        return verify(verifier, os.path.abspath(path), trial.name)


def fix_many(
    paths: Sequence[str], how: How, jobs: int, told: Callable[[int], None] = lambda done: None
) -> list[FileFix]:
    """All of them, in their order, by up to `jobs` processes. `told` is called with how many are done."""
    if how.verifier is not None:  # it may not be fit to run twice at a time
        jobs = 1
    if jobs <= 1 or len(paths) <= BATCH:
        checkers: dict[str | None, Checker] = {}
        done = []
        for path in paths:
            done.append(fix_one(path, how, checkers))
            told(len(done))
        for checker in checkers.values():
            checker.close()
        return done
    results: dict[int, FileFix] = {}
    for index, result in _spread(paths, how, min(jobs, -(-len(paths) // BATCH))):
        results[index] = result
        told(len(results))
    died = ("the process that looked at it died: it is left as it is",)
    return [results.get(i, FileFix(path, "not_fixed", died, 0, 0.0)) for i, path in enumerate(paths)]


def _spread(paths: Sequence[str], how: How, jobs: int) -> Iterator[tuple[int, FileFix]]:
    """Workers draw the next batch from one pipe, and answer each through its own."""
    draw, deal = os.pipe()
    starts = deque(range(0, len(paths), BATCH))
    readers: dict[int, bytearray] = {}
    pids: list[int] = []
    for _ in range(jobs):
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            for fd in (deal, reader, *readers):
                os.close(fd)
            _work(paths, how, draw, writer)
        os.close(writer)
        readers[reader] = bytearray()
        pids.append(pid)
    os.close(draw)
    os.set_blocking(deal, False)
    try:
        while readers:
            ready, room, _ = select.select([*readers], [deal] if deal >= 0 else [], [])
            with contextlib.suppress(BlockingIOError):
                while room and starts:
                    os.write(deal, struct.pack(">I", starts[0]))
                    starts.popleft()
            if not starts and deal >= 0:
                os.close(deal)
                deal = -1
            for fd in ready:
                yield from _taken(fd, readers)
    finally:
        if deal >= 0:
            os.close(deal)
        for fd in readers:
            os.close(fd)
        for pid in pids:
            if readers:  # interrupted: by us or by a person
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, 9)
            os.waitpid(pid, 0)


def _taken(fd: int, readers: dict[int, bytearray]) -> list[tuple[int, FileFix]]:
    data = os.read(fd, 1 << 20)
    buffer = readers[fd]
    if not data:
        os.close(fd)
        del readers[fd]
        return []
    buffer += data
    found = []
    while len(buffer) >= 4:
        size = struct.unpack_from(">I", buffer)[0]
        if len(buffer) < 4 + size:
            break
        found += pickle.loads(bytes(buffer[4 : 4 + size]))
        del buffer[: 4 + size]
    return found


def _work(paths: Sequence[str], how: How, draw: int, writer: int) -> None:
    """A worker to its end. Answers are pickled: a path need not be UTF-8."""
    code = 1
    with contextlib.suppress(BaseException):
        _end_with_parent()
        checkers: dict[str | None, Checker] = {}
        while len(head := os.read(draw, 4)) == 4:
            start = struct.unpack(">I", head)[0]
            done = [(i, fix_one(paths[i], how, checkers)) for i in range(start, min(len(paths), start + BATCH))]
            data = pickle.dumps(done)
            view = memoryview(struct.pack(">I", len(data)) + data)
            while view:
                view = view[os.write(writer, view) :]
        code = 0
    os._exit(code)


def _end_with_parent() -> None:
    import signal

    from graced.mending.verify import end_with_parent

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    end_with_parent()
