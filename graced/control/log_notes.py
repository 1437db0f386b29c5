"""What `graced logs` has to say beside the lines: what it cannot show, and why a kernel printed nothing."""

import json
import os
import time
from datetime import UTC, datetime

from graced.home.log_files import gap_note
from graced.home.paths import Home

MAX_BYTES = 4096


def local(iso: str) -> str:
    """A time of ours as people read it: local, with its zone; as it is where it cannot be read."""
    try:
        at = datetime.fromisoformat(iso.replace("Z", "+00:00"))
    except ValueError:
        return iso
    at = at.astimezone()
    day = "" if at.date() == datetime.now(UTC).astimezone().date() else at.strftime("%Y-%m-%d ")
    return f"{day}{at:%H:%M:%S} {at.tzname() or ''}".rstrip()


def gap(home: Home, name: str) -> str:
    """One sentence when what a log held before was taken away by somebody; else empty."""
    path = home.log(name)
    try:
        with open(gap_note(path), "rb") as file:
            note = json.loads(file.read(MAX_BYTES))
        size, at = int(note["bytes"]), str(note["at"])
        same = os.stat(path).st_ino == note["inode"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""
    if not same:
        return ""
    return f"{name}.log was moved or removed at {local(at)}: the {size} bytes that it held cannot be shown"


def undated(name: str, since: float) -> str:
    """For `--since` with lines that do not begin with a date."""
    at = time.strftime("%H:%M:%S %Z", time.localtime(since))
    return f"the lines of {name} do not begin with a date: all are shown, not only those since {at}"
