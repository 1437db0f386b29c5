"""Durations and sizes as people write them."""

import re
from typing import Final

DURATION_FORM: Final = "a duration such as 250ms, 10s, 5m, 1h, 1d, or a plain number of seconds"
SIZE_FORM: Final = "a size such as 64K, 10M, 2G, or a plain number of bytes"

DURATION_LIMIT_S: Final = 3650 * 86400.0
SIZE_LIMIT_BYTES: Final = 1 << 60

_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_MILLISECONDS: Final = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000))
_BINARY: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}

DURATION_PATTERN: Final = r"^([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)? ?(ms|s|m|h|d)?$"
SIZE_PATTERN: Final = r"^([0-9]+(\.[0-9]*)?) ?([KkMmGgTt]?)(i?[Bb])?$"

_DURATION = re.compile(DURATION_PATTERN.replace("$", r"\Z"), re.ASCII)
_SIZE = re.compile(SIZE_PATTERN.replace("$", r"\Z"), re.ASCII)
_TEXT_LIMIT: Final = 40


def parse_duration(text: str) -> float:
    """Seconds. Raises ValueError for any other form, and past DURATION_LIMIT_S."""
    found = _DURATION.match(text) if len(text) <= _TEXT_LIMIT else None
    if not found:
        raise ValueError(f"needs {DURATION_FORM}")
    number = float((found[1]) + (found[3] or ""))
    unit = found[4] or "s"
    seconds = number / 1000 if unit == "ms" else number * _SECONDS[unit]
    if seconds > DURATION_LIMIT_S:
        raise ValueError("is longer than ten years")
    return seconds


def format_duration(seconds: float) -> str:
    """The shortest text that `parse_duration` reads as the same number; whole units where it is whole milliseconds."""
    thousands = round(seconds * 1000)
    if thousands / 1000 != seconds:
        return repr(seconds)
    if not thousands:
        return "0s"
    for unit, size in _MILLISECONDS:
        if thousands % size == 0:
            return f"{thousands // size}{unit}"
    return f"{thousands}ms"


def parse_size(text: str) -> int:
    """Bytes; K, M, G and T are powers of 1024. Raises ValueError for any other form, and past SIZE_LIMIT_BYTES."""
    found = _SIZE.match(text) if len(text) <= _TEXT_LIMIT else None
    if not found:
        raise ValueError(f"needs {SIZE_FORM}")
    unit = _BINARY[found[3].upper()]
    size = int(found[1]) * unit if found[2] is None else int(float(found[1]) * unit)
    if size > SIZE_LIMIT_BYTES:
        raise ValueError("is larger than an exbibyte")
    return size


def format_size(size_bytes: int) -> str:
    """The text with the largest whole unit; `parse_size` reads it as the same number."""
    for unit in ("T", "G", "M", "K"):
        if size_bytes and size_bytes % _BINARY[unit] == 0:
            return f"{size_bytes // _BINARY[unit]}{unit}"
    return str(size_bytes)
