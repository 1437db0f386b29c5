"""A task of the coding agent, from a broken file to a fix that stands: run in a worker, which may be killed any time.

What a successor needs to go on is on disk before anything is done: the original under its hash, and a note of what is
about to happen. Then the new bytes are renamed over the file, if it still has the bytes that were read. So a file is
old or new, never half; and who finds the new bytes and the note knows that the task did it.
"""

import contextlib
import errno
import os
import time
from typing import Final, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from graced.mending.backend import Asked
from graced.mending.hold import AGAIN_S, hold
from graced.mending.interpreter import Checker, Unusable
from graced.mending.patch import unified
from graced.mending.propose import UNKNOWN, Given, Proposal, propose
from graced.mending.put import digest, hard_links, read_source, replace_bytes, sweep
from graced.mending.verify import Verifier, can_stand_in, verify
from graced.posix.clock import monotonic
from graced.posix.files import make_dir, write_whole
from graced.posix.undecodable import UNDECODABLE
from graced.spec.config import Backend
from graced.store.tasks import Retry

State = Literal["done", "failed", "suggested", "waiting"]
NOTE_MAX_BYTES: Final = 64 * 1024
LASTING: Final = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EINVAL, errno.EFBIG, errno.ELOOP, errno.ENAMETOOLONG}
    | {errno.EPERM, errno.EROFS, errno.EMLINK}
)
"""What no other try will change: it is no file, or none of source, or a person must do something first."""
CHANGED: Final = "has changed since, or is open to write: it is left as it is"
BUSY_S: Final = 10.0
BUSY_STEP_S: Final = 0.2


class Outcome(Struct, frozen=True):
    """What became of a task. `applied`: the file has `sha256_after` by this task's doing.

    `error` is what the interpreter said, `text` what was done about it; `patch` names the suggestion's diff.
    `retry`: whether the very same bytes are tried again (graced.members.retrying). `waiting`: nothing was done yet;
    look again in `wait_s`; `by_tool`: another tool works on the file (graced.mending.hold).
    """

    state: State
    text: str
    error: str = ""
    applied: bool = False
    sha256_before: str | None = None
    sha256_after: str | None = None
    original: str | None = None
    patch: str | None = None
    retry: Retry = ""
    wait_s: float = 0.0
    by_tool: bool = False


class Note(Struct, frozen=True):
    """Written before the rename. `proved`: the user's command had its say, so that what is in place may stay."""

    task: str
    sha256_before: str
    sha256_after: str
    error: str
    proved: bool


class Job(Struct, frozen=True):
    """A task and how it is to be done. `folder` keeps originals, notes and patches.

    `failed_at`: when a run began that fell over the file, in seconds of 1970; 0 when that is not why it is looked at.
    `crashed`: a kernel fell over it, so that nobody waits for the quiet of `settle_s`. `given`: what is known of the
    file.
    """

    task: str
    path: str
    folder: str
    apply: str = "fix"
    min_confidence: float = 0.9
    python: str | None = None
    verifier: Verifier | None = None
    backend: Backend | None = None
    config_folder: str = "/"
    log: str = ""
    failed_at: float = 0.0
    settle_s: float = 0.0
    crashed: bool = False
    again_s: float = AGAIN_S
    given: Given = UNKNOWN

    def original(self, sha256: str) -> str:
        return os.path.join(self.folder, sha256)

    @property
    def note_path(self) -> str:
        return os.path.join(self.folder, f"{self.task}.json")

    @property
    def patch_path(self) -> str:
        return os.path.join(self.folder, f"{self.task}.patch")


def mend(job: Job) -> Outcome:
    """Do the task, or what is left of it. Never raises for what a file holds or a disk refuses.

    A file that somebody is writing meanwhile is waited for: what he leaves is what is to be mended.
    """
    give_up = monotonic() + BUSY_S
    while True:
        outcome = _once(job)
        if outcome is None and not job.crashed:
            outcome = _held(job)
        if outcome is not None:
            return outcome
        if monotonic() >= give_up:
            return Outcome("failed", "somebody is changing the file, or keeps it open to write", retry="later")
        time.sleep(BUSY_STEP_S)


def _once(job: Job) -> Outcome | None:
    """None when the file is changing under our hands."""
    try:
        make_dir(job.folder, 0o700)
    except OSError as error:
        return Outcome("failed", f"{job.folder} cannot be made: {error.strerror or error}", retry="later")
    try:
        source = read_source(job.path)
    except OSError as error:
        return Outcome("failed", f"cannot be read: {error.strerror or error}", retry=_retry(error))
    before = digest(source)
    note = read_note(job)
    if note is not None and note.sha256_after == before:
        return _go_on(job, note)
    if note is not None and note.sha256_before == before:  # killed before its rename
        sweep(job.path)
    try:
        checker = Checker(job.python)
    except Unusable as error:
        return Outcome("failed", str(error), sha256_before=before, retry="later")
    held = _held(job)
    if held is not None and checker.error(source) is not None:
        checker.close()
        return held
    try:
        asked = Asked(job.backend, job.config_folder, job.log) if job.backend is not None else None
        found = propose(job.path, source, checker, job.min_confidence, asked, job.given)
    except Unusable as error:
        return Outcome("failed", str(error), sha256_before=before, retry="later")
    finally:
        checker.close()
    return _follow(job, source, before, found)


def _held(job: Job) -> Outcome | None:
    """The task waits, as somebody is at work on the file; None when nobody is."""
    held = hold(job.path, job.settle_s, job.crashed, job.again_s)
    return None if held is None else Outcome("waiting", held.why, wait_s=held.wait_s, by_tool=held.by_tool)


def settled(job: Job) -> Outcome | None:
    """What a worker that gave no answer has done all the same; None when nothing is in place."""
    note = read_note(job)
    try:
        if note is None or digest(read_source(job.path)) != note.sha256_after:
            return None
    except OSError:
        return None
    return _go_on(job, note)


def _follow(job: Job, source: bytes, before: str, found: Proposal) -> Outcome | None:
    if found.state == "intact":
        return _intact(job, before)
    if found.after is None:
        return Outcome("failed", f"{found.error}; {found.why}", found.error, sha256_before=before)
    try:
        why = found.why if found.state == "suggested" else "" if job.apply == "fix" else f"apply: {job.apply}"
        why = why or hard_links(job.path)
        if why or found.state == "suggested":
            suggestion = _suggest(job, source, found.after, before, found.error, why)
            lasting = found.state == "suggested" or job.apply == "fix"
            return replace(suggestion, retry="" if lasting else "when_applied")
        return _apply(job, source, found, before)
    except OSError as error:
        text = f"{found.error}; it cannot be written: {error.strerror or error}"
        return Outcome("failed", text, found.error, sha256_before=before, retry=_retry(error))


def _retry(error: OSError) -> Retry:
    return "" if error.errno in LASTING else "later"


def _intact(job: Job, before: str) -> Outcome:
    """It compiles here. Whether for the kernel too that fell over it, only a change since then can tell."""
    if job.failed_at and _changed_at(job.path) < job.failed_at:
        which = job.python or "graced's own Python"
        hint = "name the kernel's in coding_agent.watch, as {path, python}"
        text = f"compiles for {which}, but not for what the kernel runs: {hint}"
        return Outcome("failed", text, sha256_before=before)
    return Outcome("done", "compiles: somebody has mended it", sha256_before=before)


def _changed_at(path: str) -> float:
    """When the bytes came there, at the latest (a rename does not touch a file's mtime)."""
    try:
        return os.stat(path).st_ctime
    except OSError:
        return float("inf")


def _suggest(job: Job, source: bytes, after: bytes, before: str, error: str, why: str) -> Outcome:
    """The patch, for a person, and the bytes, should he accept it; raises OSError."""
    write_whole(job.original(digest(after)), after)
    write_whole(job.patch_path, unified(source, after, job.path))
    text = f"{error}; not applied: {why}; the patch is {job.patch_path}"
    return Outcome("suggested", text, error, False, before, digest(after), None, job.patch_path)


def _apply(job: Job, source: bytes, found: Proposal, before: str) -> Outcome | None:
    """Prove, note, put in place; None when the file has changed; raises OSError."""
    assert found.after is not None
    after, error = digest(found.after), found.error
    proved = job.verifier is None
    if job.verifier is not None and can_stand_in():
        trial = os.path.join(job.folder, f"{job.task}.trial")
        write_whole(trial, found.after, mode=os.stat(job.path).st_mode & 0o777)
        try:
            said = verify(job.verifier, job.path, trial)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(trial)
        if said is not None:
            return _suggest(job, source, found.after, before, error, said)
        proved = True
    write_whole(job.original(before), source)
    write_whole(job.patch_path, unified(source, found.after, job.path), durable=False)
    note = Note(job.task, before, after, error, proved)
    write_whole(job.note_path, msgspec.json.encode(note))
    held = _held(job)  # the search took its time
    if held is not None:
        return held
    if not replace_bytes(job.path, before, found.after):
        return None
    text = f"{error}: mended, {found.edits} edits, confidence {found.confidence:.2f}"
    return _stand(job, note, text)


def _go_on(job: Job, note: Note) -> Outcome:
    """The fix is in place already: by a worker that was killed after the rename."""
    return _stand(job, note, f"{note.error}: mended")


def _stand(job: Job, note: Note, text: str) -> Outcome:
    """A fix in place stays if it is proved; where verify could not see it before, it is proved now, or taken back."""
    if not note.proved and job.verifier is not None:
        said = verify(job.verifier, job.path, None)
        if said is not None:
            return _take_back(job, note, said)
        with contextlib.suppress(OSError):
            write_whole(job.note_path, msgspec.json.encode(replace(note, proved=True)))
    original = job.original(note.sha256_before)
    return Outcome("done", text, note.error, True, note.sha256_before, note.sha256_after, original)


def _take_back(job: Job, note: Note, said: str) -> Outcome:
    try:
        with open(job.original(note.sha256_before), "rb") as file:
            before = file.read()
        after = read_source(job.path)
        if replace_bytes(job.path, note.sha256_after, before, split=True):
            return _suggest(job, before, after, note.sha256_before, note.error, said)
        text = f"{said}; but somebody has changed the file since: it is left as it is"
    except OSError as error:
        text = f"{said}; but it cannot be taken back: {error.strerror or error}"
        return Outcome("failed", text, note.error, sha256_before=note.sha256_before, retry=_retry(error))
    return Outcome("failed", text, note.error, sha256_before=note.sha256_before)


def accept(job: Job, sha256_before: str, sha256_after: str, error: str) -> Outcome:
    """Put in place what was suggested: a person says so. `failed`, with `text`, where it cannot be; then nothing is
    changed. Asked twice it is done once."""
    note = Note(job.task, sha256_before, sha256_after, error, True)
    try:
        now = read_source(job.path)
        if digest(now) != sha256_after:
            if digest(now) != sha256_before:
                return Outcome("failed", CHANGED, error)
            with open(job.original(sha256_after), "rb") as file:
                after = file.read()
            if digest(after) != sha256_after:
                return Outcome("failed", "what was suggested is not kept any more", error)
            write_whole(job.original(sha256_before), now)
            write_whole(job.note_path, msgspec.json.encode(note))
            if not replace_bytes(job.path, sha256_before, after):
                return Outcome("failed", CHANGED, error)
    except OSError as problem:
        what = "what was suggested is not kept" if problem.filename == job.original(sha256_after) else "not written"
        return Outcome("failed", f"{what}: {problem.strerror or problem}", error)
    return _stand(job, note, f"{error}: mended as a person accepted")


def undo(path: str, sha256_before: str, sha256_after: str, original: str) -> bool:
    """Put the original bytes back, or find them back already; False when the file is as neither. Raises OSError."""
    if digest(read_source(path)) == sha256_before:
        return True
    with open(original, "rb") as file:
        data = file.read()
    return replace_bytes(path, sha256_after, data, split=True)


def read_note(job: Job) -> Note | None:
    try:
        with open(job.note_path, "rb") as file:
            return msgspec.json.decode(file.read(NOTE_MAX_BYTES), type=Note)
    except (OSError, *UNDECODABLE):
        return None
