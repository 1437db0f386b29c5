"""The last records of the audit log, read from its end."""

import contextlib
from collections.abc import Iterator
from typing import Any

import msgspec

from graced.audit.layout import last_lines
from graced.posix.undecodable import UNDECODABLE


class Line(msgspec.Struct):
    at: str
    kind: str
    data: dict[str, Any]


def lately(folder: str, kinds: tuple[str, ...], left: int) -> Iterator[Line]:
    """Records of these kinds in the last `left` bytes of the log in `folder`, last first; none that cannot be read."""
    marks = tuple(f'"kind":"{kind}"'.encode() for kind in kinds)
    with contextlib.suppress(OSError):
        for behind, line in last_lines(folder):
            if any(mark in line for mark in marks):
                with contextlib.suppress(*UNDECODABLE):
                    yield msgspec.json.decode(line, type=Line)
            if behind > left:
                return
