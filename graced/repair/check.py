"""Asks the interpreter whether source compiles, without letting nasty source hurt the asker.

`compile` runs in-process only on source that `is_tame` says is small and shallow; everything else goes through
`graced.repair.bounded` (a child with limits on memory and time). Warnings are silenced.
"""

import ast
import re
import warnings
from typing import NamedTuple

MAX_TAME_BYTES = 384 * 1024
"""Above this size a parse may take more than 150 MiB (a token costs the parser up to some 400 bytes)."""
MAX_MEND_BYTES = 128 * 1024
"""Above this size a broken file is mended in the child: the search keeps several copies of its tokens."""
MAX_TAME_LINE = 8_000
"""Characters on one physical line; longer ones make line-wise candidates slow, and only generated files have them."""
MAX_TAME_DEPTH = 90
"""Open brackets at once, counted roughly. CPython itself refuses 200; its parser recurses for each."""
MAX_TAME_RUN = 400
"""Operators in a row without an operand between them (`- - - -1`, `not not x`): one C frame or more each."""

_LONG_RUN = re.compile(rb"(?:(?:[-+~(\[{]|\bnot\b|\blambda\b[ \t]*:|\bawait\b)\s*){%d}" % MAX_TAME_RUN)


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
    """True if compiling `source` here cannot overflow the C stack nor take much memory. Costs microseconds a KiB."""
    if len(source) > MAX_TAME_BYTES:
        return False
    if len(source) > MAX_TAME_LINE and max(map(len, re.split(rb"[\r\n]", source))) > MAX_TAME_LINE:
        return False
    if (
        source.count(b"(") + source.count(b"[") + source.count(b"{") > MAX_TAME_DEPTH
        and _depth(source) > MAX_TAME_DEPTH
    ):
        return False
    return _LONG_RUN.search(source) is None


def _depth(source: bytes) -> int:
    """The greatest bracket depth, strings and comments not told apart (an overestimate is harmless)."""
    depth = deepest = 0
    for bracket in re.findall(rb"[()\[\]{}]", source):
        if bracket in b"([{":
            depth += 1
            if depth > deepest:
                deepest = depth
        elif depth:
            depth -= 1
    return deepest


def fault_of(source: bytes | str, *, filename: str = "<file>", feature: tuple[int, int] | None = None) -> Fault | None:
    """The first error of tame `source`, or None if the whole of it compiles.

    `feature` is an older Python minor version to hold the grammar to, as far as `ast.parse` can.
    """
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
