"""One record of the audit log: how its line is made, and how a line is checked. Pure.

A line is the canonical text (`canonical`) of `at, data, incarnation, kind, member, pid, prev, seq`, with the hash as
one more member at its end:

    {"at":"2026-01-01T00:00:00.000Z","data":{},…,"prev":"00…","seq":1,"hash":"9f…"}

`hash` is the SHA-256 of that text without the hash member, `prev` the hash of the record before (64 zeros for the
first), so whoever knows the last hash knows that nothing before it was changed.
"""

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from json.encoder import encode_basestring as quote
from typing import Any, Final

from graced.audit.canonical import FLOAT_LEAST, FLOAT_LIMIT, FLOAT_PLACES, encode_text, fit
from graced.audit.kinds import KINDS, demand

__all__ = ["GENESIS", "KINDS", "RECORD_MAX_BYTES", "Broken", "check", "make", "parse", "seal", "torn"]

RECORD_MAX_BYTES: Final = 16 * 1024
"""Longest line, its newline included."""

ENVELOPE_MAX_BYTES: Final = 1024
"""Everything of a line but its data: 64-byte hashes, keys, numbers, and names of at most NAME_MAX characters."""

NAME_MAX: Final = 64
DATA_MAX_BYTES: Final = RECORD_MAX_BYTES - ENVELOPE_MAX_BYTES

GENESIS: Final = "0" * 64
"""`prev` of the first record."""

_HASH: Final = re.compile(r"[0-9a-f]{64}")
_TYPES: Final[dict[str, type]] = {
    "seq": int, "at": str, "member": str, "pid": int, "incarnation": int,
    "kind": str, "data": dict, "prev": str, "hash": str,
}  # fmt: skip

_FORMS: Final = tuple(
    json.JSONEncoder(separators=separators, ensure_ascii=ascii_only).encode
    for separators in ((",", ":"), (", ", ": "))
    for ascii_only in (False, True)
)
"""The texts that json.dumps makes of an object. A line must be one of them, so that no byte of it is free to change."""


_LAST_MEMBER: Final = re.compile(rb'"hash": ?"[0-9a-f]{64}"\}?')


class Broken(ValueError):
    """A line that is no record, or not the record that belongs here. Its text says why, in one sentence."""


# --- making


def encode_data(kind: str, data: Mapping[str, Any]) -> str:
    """The data of a record as it will stand in the line. ValueError when `kind` or its keys are wrong (`kinds`)."""
    demand(kind, data)
    return fit(data, DATA_MAX_BYTES, keep=KINDS[kind])


def seal(
    seq: int, at: str, member: str, pid: int, incarnation: int, kind: str, data: str, prev: str
) -> tuple[bytes, str]:
    """The line and its hash; `data` is from `encode_data`, all text is valid."""
    body = (
        f'{{"at":{quote(at)},"data":{data},"incarnation":{incarnation},"kind":{quote(kind)},'
        f'"member":{quote(member)},"pid":{pid},"prev":"{prev}","seq":{seq}'
    ).encode()
    digest = sha256(body + b"}").hexdigest()
    return b'%b,"hash":"%b"}\n' % (body, digest.encode()), digest


def make(
    seq: int, at: str, member: str, pid: int, incarnation: int, kind: str, data: Mapping[str, Any], prev: str
) -> tuple[bytes, str]:
    """The line of a record (newline included) and its hash.

    `seq` counts from 1, `at` is ISO 8601 UTC, `prev` the hash of record seq - 1 or GENESIS. ValueError on a kind or
    data that are not as KINDS says, or a name of more than NAME_MAX characters.
    """
    if max(len(at), len(member), len(kind)) > NAME_MAX:
        raise ValueError(f"an audit record's at, member and kind have at most {NAME_MAX} characters each")
    return seal(seq, at, member, pid, incarnation, kind, encode_data(kind, data), prev)


# --- checking


def parse(line: bytes) -> dict[str, Any]:
    """The record in a line (with its newline), if the line is whole and true to its own hash. Raises Broken."""
    if not line.endswith(b"\n"):
        raise Broken("the line is unfinished")
    if len(line) > RECORD_MAX_BYTES:
        raise Broken(f"the line is longer than {RECORD_MAX_BYTES} bytes")
    if not line.strip():
        raise Broken("the line is blank")
    if line.endswith(b"\r\n"):
        raise Broken("the line ends in CR LF")
    try:
        body = line[:-1].decode()
        record: dict[str, Any] = _decode(body)
    except UnicodeDecodeError as error:
        raise Broken(f"byte {error.start + 1} is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise Broken(f"not JSON: {error.msg} at character {error.pos + 1}") from None
    except RecursionError:
        raise Broken("not a record: nested too deeply") from None
    _typed(record)
    unhashed = {key: value for key, value in record.items() if key != "hash"}
    try:
        true_hash = sha256(encode_text(unhashed).encode()).hexdigest()
    except UnicodeEncodeError:
        raise Broken("text that is not valid Unicode") from None
    if record["hash"] != true_hash:
        raise Broken("the hash does not match the record")
    if not any(form(record) == body for form in _FORMS):
        raise Broken("the line is not in canonical form")
    return record


def torn(text: bytes) -> bool:
    """Can this, without a newline, be what a killed writer left: less than one record, or one record without its end?

    A text that is longer than a record, or that goes on behind a record, is none: newlines were taken out of it.
    """
    last = _LAST_MEMBER.search(text)
    return len(text) < RECORD_MAX_BYTES and (last is None or last.end() == len(text))


def check(line: bytes, seq: int, prev: str) -> dict[str, Any]:
    """The record in a line, if it is also number `seq` and follows the record whose hash is `prev`. Raises Broken."""
    record = parse(line)
    if record["seq"] > seq:
        raise Broken(f"seq is {record['seq']}: {record['seq'] - seq} records before it are missing")
    if record["seq"] < seq:
        raise Broken(f"seq is {record['seq']} where {seq} belongs")
    if record["prev"] != prev:
        raise Broken("prev is not the hash of the record before")
    return record


def _typed(record: Any) -> None:
    if type(record) is not dict:
        raise Broken("not a record: no JSON object")
    if record.keys() != _TYPES.keys():
        odd = sorted(record.keys() ^ _TYPES.keys())[0]
        raise Broken(f"not a record: {'unknown' if odd in record else 'no'} key {odd[:NAME_MAX]!r}")
    for key, kind in _TYPES.items():
        if type(record[key]) is not kind:  # `is`: a bool is an int to isinstance
            raise Broken(f"{key} is of the wrong type")
    if min(record["seq"], record["incarnation"] + 1, record["pid"] + 1) < 1:
        raise Broken("seq, pid or incarnation is out of range")
    for key in ("prev", "hash"):
        if not _HASH.fullmatch(record[key]):
            raise Broken(f"{key} is not 64 lower-case hex digits")


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise Broken(f"key {twice[:NAME_MAX]!r} is there twice")
    return found


def _float(digits: str) -> float:
    value = float(digits)
    small_or_large = value != 0 and not FLOAT_LEAST <= abs(value) < FLOAT_LIMIT
    if small_or_large or round(value, FLOAT_PLACES) != value or repr(value) != digits or digits == "-0.0":
        raise Broken(f"the number {digits[:NAME_MAX]} is not in canonical form")
    return value


def _int(digits: str) -> int:
    try:
        value = int(digits)
    except ValueError:  # Python refuses to read more than some 4,300 digits
        raise Broken("a number of too many digits") from None
    if digits == "-0":
        raise Broken("the number -0 is not in canonical form")
    return value


def _constant(name: str) -> Any:
    raise Broken(f"not JSON: {name}")


_decode: Final = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_float=_float, parse_int=_int, parse_constant=_constant
).decode
