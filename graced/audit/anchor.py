"""The head of the log, told outside of the home: who cuts or rewrites the log there cannot take that back.

One line of JSON each time: {"at", "home" (the id of the home), "seq", "head"}. It is told after a sync, by the worker
that synced, so a slow journal or command holds nobody up.
"""

import contextlib
import json
import os
import re
import stat
import subprocess
import syslog
from collections.abc import Callable, Iterator
from typing import Any, Final

from graced.audit.head import SEQ_MAX, Head
from graced.audit.layout import not_regular
from graced.audit.read import Anchor
from graced.home.paths import Home
from graced.posix.clock import wall_iso
from graced.posix.journal import send
from graced.spec.config import Anchor as Target

COMMAND_TIMEOUT_S: Final = 10.0
FILE_READ_MAX_BYTES: Final = 8 * 1024 * 1024
"""Of an anchor file, from its end: some 60,000 heads, six weeks of them."""

KIND: Final = "audit.head"
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_GIVEN: Final = re.compile(r"([0-9]{1,16}):([0-9a-f]{64})")


def line_of(home_id: str, head: Head) -> str:
    return json.dumps({"at": wall_iso(), "home": home_id, "seq": head.seq, "head": head.head})


def tell(target: Target, home_id: str, head: Head) -> None:
    """Tells the head. Raises OSError or subprocess.SubprocessError when it could not be told."""
    line = line_of(home_id, head)
    if target.file is not None:
        _append(target.file, line)
    elif target.command is not None:
        subprocess.run(
            target.command, input=line.encode() + b"\n", timeout=COMMAND_TIMEOUT_S, check=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    elif target.log == "journal":
        send({"MESSAGE": f"{KIND} {line}", "SYSLOG_IDENTIFIER": "graced", "GRACED_KIND": KIND, "GRACED_HEAD": line})
    else:
        syslog.openlog("graced", syslog.LOG_PID, syslog.LOG_DAEMON)
        syslog.syslog(syslog.LOG_NOTICE, f"{KIND} {line}")


def teller(target: Target, home: Home) -> Callable[[Head], None]:
    """Tells the heads of a home from now on; what it raises ends the worker that calls it, and is told in its log."""
    return lambda head: tell(target, home.id(), head)


def _append(path: str, line: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise not_regular(path)
        os.write(fd, line.encode() + b"\n")
        os.fdatasync(fd)
    finally:
        os.close(fd)


# --- reading it back


def given(text: str) -> Anchor | None:
    """SEQ:HASH, as `audit verify` prints them; None for anything else."""
    found = _GIVEN.fullmatch(text)
    return Anchor(int(found[1]), found[2], "the given anchor") if found else None


def from_file(path: str, home_id: str) -> list[Anchor]:
    """The heads of this home in an anchor file; lines that are none are passed over. Raises OSError."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise not_regular(path)
        file.seek(max(0, os.fstat(file.fileno()).st_size - FILE_READ_MAX_BYTES))
        lines = file.read(FILE_READ_MAX_BYTES).splitlines()
    return list(_anchors(lines, home_id, path))


def from_journal(home_id: str) -> list[Anchor]:
    """The heads of this home in the journal. Raises OSError or subprocess.SubprocessError."""
    argv = ["journalctl", "--quiet", "--no-pager", "--output=cat", "--output-fields=GRACED_HEAD", f"GRACED_KIND={KIND}"]
    found = subprocess.run(argv, capture_output=True, timeout=60, check=True)
    return list(_anchors(found.stdout.splitlines(), home_id, "the journal"))


def _anchors(lines: list[bytes], home_id: str, by: str) -> Iterator[Anchor]:
    for line in lines:
        with contextlib.suppress(ValueError, RecursionError):
            found: Any = json.loads(line)
            if isinstance(found, dict) and found.get("home") == home_id and _sane(found):
                yield Anchor(found["seq"], found["head"], by)


def _sane(found: dict[str, Any]) -> bool:
    seq, head = found.get("seq"), found.get("head")
    return type(seq) is int and 0 < seq < SEQ_MAX and isinstance(head, str) and _HASH.fullmatch(head) is not None
