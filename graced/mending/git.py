"""What git knows of a file, asked read-only: its texts in the index and in the last commits, and whether it is merged.

Only plumbing that runs no program of the repository's (no hooks, filters, textconv, fsmonitor, pager, gpg), writes
nothing into .git (GIT_OPTIONAL_LOCKS=0), and reaches no network (a partial clone stays partial). Another user's
repository is not asked (`Repository.trusted`). All of it takes TIMEOUT_S at most.
"""

import contextlib
import os
from collections.abc import Sequence
from typing import Final

from graced.mending.repository import Repository
from graced.posix.clock import monotonic

TIMEOUT_S: Final = 2.0
COMMITS: Final = 3
"""The last ones that touched the file, whose texts are read."""
TEXT_MAX_BYTES: Final = 1024 * 1024
OUTPUT_MAX_BYTES: Final = 16 * 1024 * 1024

_SETTINGS: Final = (
    "core.fsmonitor=false", "core.hooksPath=/dev/null", "protocol.allow=never", "core.quotePath=false",
)  # fmt: skip
_ENVIRONMENT: Final = {
    "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "none",
    "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_PAGER": "cat", "GIT_NO_REPLACE_OBJECTS": "1",
    "LC_ALL": "C",
}  # fmt: skip


def earlier_texts(repository: Repository, path: str, timeout_s: float = TIMEOUT_S) -> list[bytes]:
    """The file in the index, in HEAD, and in the last commits that touched it: newest first, each text once.

    Empty where git is not there, does not know the file, or takes too long. Lines end as git stores them.
    """
    name = _inside(repository, path)
    if name is None:
        return []
    give_up = monotonic() + timeout_s
    found = _texts(repository, (f":0:./{name}", f"HEAD:./{name}"), give_up)
    if found:  # of a long history this may take too long: what is known by then is enough
        told = _run(repository, ["rev-list", f"-n{COMMITS}", "HEAD", "--", _literal(name)], b"", give_up)
        commits = [line.decode() for line in (told or b"").split() if line.isalnum()]
        found += _texts(repository, [f"{commit}:./{name}" for commit in commits], give_up) if commits else []
    return list(dict.fromkeys(found))


def _texts(repository: Repository, names: Sequence[str], give_up: float) -> list[bytes]:
    """The contents of these objects, without those that are not there."""
    request = b"".join(os.fsencode(name) + b"\n" for name in names)
    return _blobs(_run(repository, ["cat-file", "--batch"], request, give_up) or b"")


def is_unmerged(repository: Repository, path: str, timeout_s: float = TIMEOUT_S) -> bool:
    """Has the index more than one version of the file? False where git cannot tell in time."""
    name = _inside(repository, path)
    if name is None or not os.path.exists(os.path.join(repository.marks, "index")):
        return False
    return bool(_run(repository, ["ls-files", "-u", "-z", "--", _literal(name)], b"", monotonic() + timeout_s))


def _inside(repository: Repository, path: str) -> str | None:
    """The path within the work tree; None for one that a line cannot hold."""
    name = os.path.relpath(os.path.realpath(path), repository.top)
    return None if name.startswith("..") or "\n" in name or "\0" in name else name


def _literal(name: str) -> str:
    return f":(literal,top){name}"


def _run(repository: Repository, words: Sequence[str], request: bytes, give_up: float) -> bytes | None:
    """What git says; None when it failed, or was too slow and was killed. At most OUTPUT_MAX_BYTES of it."""
    import signal
    import subprocess

    from graced.mending.verify import end_with_parent

    left = give_up - monotonic()
    if left <= 0:
        return None
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}  # a hook has some
    settings = [word for setting in _SETTINGS for word in ("-c", setting)]
    out = os.memfd_create("git", os.MFD_CLOEXEC)
    try:
        try:
            process = subprocess.Popen(
                ["git", "--no-pager", *settings, "-C", repository.top, *words], stdin=subprocess.PIPE, stdout=out,
                stderr=subprocess.DEVNULL, env={**environ, **_ENVIRONMENT}, start_new_session=True,
                preexec_fn=end_with_parent,
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError):
            return None
        try:
            process.communicate(request, timeout=left)
        except subprocess.TimeoutExpired:
            return None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.returncode:
            return None
        return os.pread(out, OUTPUT_MAX_BYTES, 0)
    finally:
        os.close(out)


def _blobs(answer: bytes) -> list[bytes]:
    """The contents in what `git cat-file --batch` says: a line `ID TYPE SIZE`, or one that ends in `missing`."""
    found: list[bytes] = []
    at = 0
    while (end := answer.find(b"\n", at)) >= 0:
        words = answer[at:end].rsplit(b" ", 2)
        at = end + 1
        if len(words) != 3 or not words[2].isdigit():
            continue
        size = int(words[2])
        if words[1] == b"blob" and size <= TEXT_MAX_BYTES and at + size <= len(answer):
            found.append(answer[at : at + size])
        at += size + 1
    return found
