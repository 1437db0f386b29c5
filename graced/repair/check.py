"""Asks the interpreter whether source compiles, without letting nasty source hurt the asker.

CPython's compiler bounds its own depth (RecursionError, MemoryError, "too many nested parentheses"), so only size is
dangerous: source that is not `is_tame` is checked by `graced.repair.bounded`, in a child with limits on memory and
time, and source that is not `is_mendable` is repaired there. Warnings are silenced.
"""

import ast
import re
import warnings
from typing import NamedTuple

from graced.repair.text import BOM, declared_codec

MAX_TAME_BYTES = 256 * 1024
"""Above this size compiling may take more than 150 MiB: up to some 500 bytes for each byte of source (`x;x;x;`)."""
MAX_MEND_BYTES = 128 * 1024
"""Above this size a broken file is mended in the child: the search keeps several copies of its tokens."""
MAX_MEND_LINE = 8_000
"""Characters on one physical line; longer ones make line-wise candidates slow, and only generated files have them."""

HEAD_BYTES = 2_000
"""Where an encoding may be declared: the first two lines."""

_EOL = re.compile(rb"[\r\n]")


class Fault(NamedTuple):
    """What the interpreter said. Lines count from 1, columns from 0 in characters, all clamped to be usable.

    `end_line` and `end_column` are where the part it complains about ends; the same as the start if it did not say.
    """

    kind: str
    message: str
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.kind}: {self.message} (line {self.line})"


def is_tame(source: bytes) -> bool:
    """True if compiling `source` in this process cannot take much memory."""
    return len(source) <= MAX_TAME_BYTES


def is_mendable(source: bytes) -> bool:
    """True if repairing `source` in this process cannot take much memory or time."""
    if len(source) > MAX_MEND_BYTES:
        return False
    return len(source) <= MAX_MEND_LINE or max(map(len, _EOL.split(source))) <= MAX_MEND_LINE


def undecodable(source: bytes) -> Fault | None:
    """What the interpreter says of a file whose bytes are no text in the encoding it declares; None if they are."""
    if source.isascii() and b"coding" not in source[:HEAD_BYTES]:
        return None
    codec = declared_codec(source)
    if codec is None:
        return Fault("SyntaxError", "encoding problem: unknown encoding", 1, 0, 1, 0)
    try:
        source.removeprefix(BOM).decode(codec)
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        byte = error.object[error.start]
        message = f"Non-UTF-8 code starting with '\\x{byte:02x}'" if codec == "utf-8" else f"not decodable as {codec}"
        return Fault("SyntaxError", message, line, 0, line, 0)
    except (LookupError, ValueError):
        return Fault("SyntaxError", f"not decodable as {codec}", 1, 0, 1, 0)
    return None


def fault_of(source: bytes | str, *, filename: str = "<file>", feature: tuple[int, int] | None = None) -> Fault | None:
    """The first error of tame `source`, or None if the whole of it compiles.

    `feature` is an older Python minor version to hold the grammar to, as far as `ast.parse` can. Bytes are held to
    what the interpreter asks of a *file*: `compile` lets bytes in comments pass that a file may not have.
    """
    if isinstance(source, bytes) and (refused := undecodable(source)) is not None:
        return refused
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if feature is not None:
                ast.parse(source, filename, feature_version=feature)
            compile(source, filename, "exec", dont_inherit=True)
    except SyntaxError as error:  # IndentationError, TabError too
        kind = type(error).__name__
        message = error.msg or "invalid syntax"
        line, column = max(error.lineno or 1, 1), max((error.offset or 1) - 1, 0)
        end_line, end_column = max(error.end_lineno or line, line), max((error.end_offset or 0) - 1, 0)
        return Fault(kind, message, line, column, end_line, max(end_column, column) if end_line == line else end_column)
    except (ValueError, UnicodeError) as error:  # NUL bytes before 3.12, lone surrogates
        return Fault("SyntaxError", str(error), 1, 0, 1, 0)
    except (RecursionError, MemoryError, OverflowError) as error:
        return Fault(type(error).__name__, str(error) or "too deeply nested to compile", 1, 0, 1, 0)
    return None
