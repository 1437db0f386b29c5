"""A fix put in place so that a kill at any instant leaves the file whole, old or new, and the fix applied once.

First the original and a note of what is about to happen are kept in the home; then the new bytes are renamed over the
file, if it still has the bytes that were read. A worker that is killed in between is found out by the note.
"""

import contextlib
import hashlib
import os
import stat
from typing import Final, Literal

import msgspec
from msgspec import Struct

from graced.posix.files import write_whole

State = Literal["done", "failed", "suggested"]
MAX_FILE_BYTES: Final = 1024 * 1024


class Outcome(Struct, frozen=True):
    """What became of a task. `applied`: the file has `sha256_after` by this task's doing."""

    state: State
    text: str
    applied: bool = False
    sha256_before: str | None = None
    sha256_after: str | None = None
    original: str | None = None


class Note(Struct, frozen=True):
    """Written before the rename: what a successor needs to see that it has been done."""

    task: str
    path: str
    sha256_before: str
    sha256_after: str


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def read_source(path: str) -> bytes:
    """The bytes of a file of a sane size. Raises OSError."""
    with open(path, "rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise OSError(27, f"{path} is larger than {MAX_FILE_BYTES} bytes")
    return data


def mend(task: str, path: str, folder: str, apply: str) -> Outcome:
    """Mend one file. `folder` keeps originals; `apply` is fix | suggest | off. Never raises for what a file holds."""
    from graced.repair import compiles, simple_repairs

    try:
        source = read_source(path)
    except OSError as error:
        return Outcome("failed", f"cannot be read: {error.strerror or error}")
    before = digest(source)
    earlier = _read_note(folder, task)
    if earlier is not None and earlier.sha256_after == before:
        original = os.path.join(folder, earlier.sha256_before)
        return Outcome("done", "mended", True, earlier.sha256_before, before, original)
    error_text = compiles(source)
    if error_text is None:
        return Outcome("done", "compiles: somebody has mended it", sha256_before=before)
    fixed = simple_repairs(source)
    if fixed is None:
        return Outcome("failed", error_text, sha256_before=before)
    original = os.path.join(folder, before)
    if apply != "fix":
        try:
            write_whole(os.path.join(folder, f"{task}.suggested"), fixed)
        except OSError as error:
            return Outcome("failed", f"the suggestion cannot be kept: {error.strerror}", sha256_before=before)
        return Outcome("suggested", error_text, sha256_before=before, sha256_after=digest(fixed))
    try:
        write_whole(original, source)
        note = Note(task, path, before, digest(fixed))
        write_whole(_note_path(folder, task), msgspec.json.encode(note))
        changed = replace_bytes(path, before, fixed)
    except OSError as error:
        return Outcome("failed", f"{error_text}; it cannot be written: {error.strerror or error}", sha256_before=before)
    if not changed:
        return Outcome("failed", "the file changed while it was being mended", sha256_before=before)
    return Outcome("done", error_text, True, before, digest(fixed), original)


def undo(path: str, sha256_after: str, original: str) -> bool:
    """Put the original bytes back; False when the file is not as the fix left it. Raises OSError."""
    with open(original, "rb") as file:
        data = file.read()
    return replace_bytes(path, sha256_after, data)


def replace_bytes(path: str, expected_sha256: str, data: bytes) -> bool:
    """Rename `data` over the file, owner and mode kept, if its bytes are still the expected ones. Raises OSError.

    A symbolic link is followed: the file it names is replaced, not the link.
    """
    target = os.path.realpath(path)
    status = os.stat(target)
    temporary = f"{target}.graced-{os.getpid()}"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            with contextlib.suppress(PermissionError):
                os.fchown(file.fileno(), status.st_uid, status.st_gid)
            os.fchmod(file.fileno(), stat.S_IMODE(status.st_mode))
            os.fsync(file.fileno())
        if digest(read_source(target)) != expected_sha256:
            os.unlink(temporary)
            return False
        os.rename(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    folder = os.open(os.path.dirname(target) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return True


def _note_path(folder: str, task: str) -> str:
    return os.path.join(folder, f"{task}.json")


def _read_note(folder: str, task: str) -> Note | None:
    try:
        with open(_note_path(folder, task), "rb") as file:
            return msgspec.json.decode(file.read(65536), type=Note)
    except (OSError, msgspec.DecodeError):
        return None
