"""The canonical form of what an audit record says: one value, one text, in any JSON library.

Text is the UTF-8 of `json.dumps(v, sort_keys=True, separators=(",", ":"), ensure_ascii=False)`, which sorts keys by
code point. What libraries write differently never gets that far:

- a float is rounded to 6 places; below 1e-4 it is 0; without a fraction it is an integer (JavaScript has no 1.0);
- a float of 1e15 or more is the string of its shortest form ("1e+300"), and so are "nan", "inf" and "-inf";
- an integer beyond 2**53 - 1 either way, which a double cannot hold, is the string of its digits;
- text that UTF-8 cannot say (lone surrogates, bytes) has U+FFFD there;
- data too large is cut and says so (`fit`). Anything that is no JSON value is its str().
"""

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

INT_MAX: Final = 2**53 - 1
"""Largest integer that every JSON library reads back exactly (RFC 7493)."""

FLOAT_LIMIT: Final = 1e15
FLOAT_LEAST: Final = 1e-4
FLOAT_PLACES: Final = 6

HEX_BITS: Final = 1024
"""A longer integer is told in hex: digits of huge numbers take quadratic time."""

DEPTH_MAX: Final = 32
"""Levels of nesting; what is deeper becomes ELLIPSIS (which also ends a list that contains itself)."""

ELLIPSIS: Final = "…"
TRUNCATED: Final = "truncated_bytes"
"""Key that marks data that was cut; its value is the size of the whole."""

CUTS: Final = ((2048, 64, 8), (512, 32, 4), (128, 16, 3), (32, 8, 1))
"""Characters kept of a text, items kept of a list or object, levels kept: tried in turn. The last fits in 8 KiB."""

encode_text: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
"""Canonical text of a value that is `normal` already."""


def text(value: str) -> str:
    """The same text with U+FFFD for every lone surrogate (what is left of a file name that is no UTF-8)."""
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in value)
    return value


def integer(value: int) -> int | str:
    if -INT_MAX <= value <= INT_MAX:
        return int(value)  # of an IntEnum, the number
    return str(int(value)) if value.bit_length() <= HEX_BITS else hex(value)


def number(value: float) -> int | float | str:
    """A float as integer, as float of at most 6 places in [1e-4, 1e15), or as string."""
    size = abs(value)
    if size < FLOAT_LEAST:
        return 0
    if not size < FLOAT_LIMIT:  # also NaN, which is not less than anything
        return repr(float(value))
    rounded = round(float(value), FLOAT_PLACES)
    return int(rounded) if rounded.is_integer() else rounded


def normal(value: Any, depth: int = 0) -> Any:
    """`value` as JSON values that have one text only. Never fails for want of a type: see the head of this file."""
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return text(str.__str__(value))
    if isinstance(value, int):
        return integer(value)
    if isinstance(value, float):
        return number(value)
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "replace")
    if depth >= DEPTH_MAX:
        return ELLIPSIS
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    if isinstance(value, Mapping):
        return {_key(key): normal(item, depth + 1) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((normal(item, depth + 1) for item in value), key=encode_text)
    if isinstance(value, list | tuple):
        return [normal(item, depth + 1) for item in value]
    return text(os.fsdecode(value) if isinstance(value, os.PathLike) else str(value))


def _key(key: Any) -> str:
    return text(key if isinstance(key, str) else str(key))


def fit(data: Mapping[str, Any], limit_bytes: int, keep: Iterable[str] = ()) -> str:
    """Canonical text of `data`, at most `limit_bytes` (8 KiB or more) of UTF-8.

    When it is more, texts, lists, objects and depth are cut as CUTS says, each cut shown by ELLIPSIS, and
    `truncated_bytes` holds the size of the whole. The keys in `keep` are not cut off the top level.
    """
    whole = normal(data)
    line = encode_text(whole)
    size = _size(line)
    if size <= limit_bytes:
        return line
    kept = {key: whole[key] for key in keep if key in whole}
    rest = {key: item for key, item in whole.items() if key not in kept}
    for text_max, items_max, depth_max in CUTS:
        shorter = {key: _cut(item, text_max, items_max, depth_max - 1) for key, item in kept.items()}
        line = encode_text(shorter | _cut(rest, text_max, items_max, depth_max) | {TRUNCATED: size})
        if _size(line) <= limit_bytes:
            return line
    raise AssertionError(f"{limit_bytes} bytes are too few for {len(kept)} keys")


def _size(line: str) -> int:
    return len(line) if line.isascii() else len(line.encode())


def _cut(value: Any, text_max: int, items_max: int, depth_max: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= text_max else value[: text_max - 1] + ELLIPSIS
    if not isinstance(value, dict | list):
        return value
    if depth_max == 0:
        return ELLIPSIS
    if isinstance(value, list):
        shorter = [_cut(item, text_max, items_max, depth_max - 1) for item in value[:items_max]]
        return shorter if len(value) <= items_max else [*shorter, ELLIPSIS]
    items = list(value.items())[:items_max]
    cut = {_cut(key, text_max, 0, 0): _cut(item, text_max, items_max, depth_max - 1) for key, item in items}
    return cut if len(value) <= items_max else cut | {ELLIPSIS: len(value) - items_max}
