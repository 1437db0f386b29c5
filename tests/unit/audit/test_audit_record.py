"""What one record is: its canonical text, its numbers, its limit, and that no byte of it is free to change."""

import hashlib
import json
import math
import pathlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from graced.audit.canonical import INT_MAX, TRUNCATED, normal, number
from graced.audit.record import GENESIS, KINDS, RECORD_MAX_BYTES, Broken, check, make, parse

AT = "2026-01-01T00:00:00.000Z"

any_text = st.text(st.characters(exclude_categories=[]))  # lone surrogates too
any_data = st.dictionaries(
    any_text,
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | any_text | st.binary(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
        max_leaves=12,
    ),
    max_size=5,
)


def line_of(data: dict, seq: int = 1, prev: str = GENESIS, kind: str = "vote.cast") -> bytes:
    return make(seq, AT, "watchdog", 77, 3, kind, data, prev)[0]


def contract_hash(record: dict) -> str:
    """As the contract words it, written anew."""
    rest = {key: value for key, value in record.items() if key != "hash"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_record_has_the_nine_keys_and_the_hash_of_the_contract() -> None:
    line, digest = make(
        1, AT, "watchdog", 77, 3, "member.down", {"target": "trigger", "evidence": "exit", "é": 0.5}, GENESIS
    )
    record = json.loads(line)
    assert list(record) == ["at", "data", "incarnation", "kind", "member", "pid", "prev", "seq", "hash"]
    assert record["hash"] == digest == contract_hash(record)
    assert line.endswith(b"\n") and line.count(b"\n") == 1


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1.0, "1"),
        (-0.0, "0"),
        (0.00009999, "0"),
        (-0.00009999, "0"),
        (0.0001, "0.0001"),
        (0.1234567, "0.123457"),
        (0.9999999, "1"),
        (1 / 3, "0.333333"),
        (999_999_999_999_999.9, "999999999999999.9"),
        (1e15, '"1000000000000000.0"'),
        (1e300, '"1e+300"'),
        (math.nan, '"nan"'),
        (-math.inf, '"-inf"'),
        (INT_MAX, "9007199254740991"),
        (INT_MAX + 1, '"9007199254740992"'),
        (-INT_MAX - 1, '"-9007199254740992"'),
        (True, "true"),
        ("a\ud800b", '"a\ufffdb"'),
        (b"\xffx", '"\ufffdx"'),
        (pathlib.PurePath("/a/b"), '"/a/b"'),
        ((1, 2), "[1,2]"),
        ({3, 1, 2}, "[1,2,3]"),
        ({1: "a"}, '{"1":"a"}'),
    ],
)
def test_every_value_has_one_text(value: object, written: str) -> None:
    line = line_of({"v": value}).decode()
    assert f'"data":{{"v":{written}}}' in line
    parse(line.encode())


@given(st.floats())
@settings(deadline=None)
def test_a_number_is_an_integer_or_a_short_float_or_text(value: float) -> None:
    found = number(value)
    if isinstance(found, float):
        assert 1e-4 <= abs(found) < 1e15
        assert round(found, 6) == found and not found.is_integer()
        assert "e" not in repr(found)
    assert number(found) == found if isinstance(found, float) else True


@given(any_data)
@settings(deadline=None)
def test_any_data_round_trips_as_its_normal_form(data: dict) -> None:
    line, digest = make(5, AT, "watchdog", 77, 3, "vote.cast", data, "a" * 64)
    record = check(line, 5, "a" * 64)
    assert record["hash"] == digest == contract_hash(record)
    assert record["data"] == normal(data)
    assert normal(record["data"]) == record["data"]
    assert len(line) <= RECORD_MAX_BYTES


@given(any_data, st.data())
@settings(deadline=None, max_examples=300)
def test_a_flip_of_any_byte_is_found(data: dict, draw: st.DataObject) -> None:
    line = line_of(data)
    at = draw.draw(st.integers(0, len(line) - 1))
    changed = bytearray(line)
    changed[at] ^= draw.draw(st.integers(1, 255))
    with pytest.raises(Broken):
        check(bytes(changed), 1, GENESIS)


def test_each_flip_of_each_byte_of_one_line_is_found() -> None:
    line = line_of({"e": "é\x1f\n\\/", "n": [1, 0, -1, 100, 0.5, 1.25, None, True], "t": "1e0"})
    for at in range(len(line)):
        for bit in range(8):
            changed = bytearray(line)
            changed[at] ^= 1 << bit
            with pytest.raises(Broken):
                check(bytes(changed), 1, GENESIS)


@given(st.integers(0, 40_000), st.sampled_from(["x", "é", "\x01", "😀", '"']), st.integers(0, 3000))
@example(16_384, "\x01", 0)
@settings(deadline=None, max_examples=60)
def test_a_record_is_at_most_16_kib_and_says_what_was_cut(size: int, char: str, items: int) -> None:
    data = {"tier": 1, "targets": ["a"], "by": "me", "duration_s": 0.1, "log": char * size, "list": ["z"] * items}
    line = line_of(data, kind="recovery.failed")
    record = check(line, 1, GENESIS)
    assert len(line) <= RECORD_MAX_BYTES
    assert record["data"]["by"] == "me" and record["data"]["tier"] == 1
    if TRUNCATED in record["data"]:
        assert record["data"][TRUNCATED] > RECORD_MAX_BYTES - 1024
    else:
        assert record["data"] == data


def test_data_of_any_shape_is_cut_to_fit() -> None:
    deep: dict = {}
    level = deep
    for _ in range(200):
        level["next"] = {"k" * 50: list(range(50))}
        level = level["next"]
    endless: list = []
    endless.append(endless)
    wide = {f"key-{'k' * 5000}-{n}": {"x" * 3000: ["\x01" * 3000] * 100} for n in range(20)}
    for data in (deep, {"endless": endless}, wide, {"huge": 10**5000}, {"tree": [[[["\x01" * 99] * 9] * 9] * 9] * 9}):
        line = line_of(data)
        assert len(line) <= RECORD_MAX_BYTES
        parse(line)


def test_a_typo_in_a_kind_or_a_missing_key_raises() -> None:
    with pytest.raises(ValueError, match="unknown audit kind 'member"):
        line_of({}, kind="member.dead")
    with pytest.raises(ValueError, match="lacks 'evidence'"):
        line_of({"target": "trigger"}, kind="member.down")
    with pytest.raises(ValueError, match="at most 64 characters"):
        make(1, AT, "m" * 65, 1, 1, "vote.cast", {}, GENESIS)


def test_the_kinds_of_the_contract_are_all_there() -> None:
    assert KINDS.keys() >= {
        "member.started", "member.down", "recovery.started", "recovery.succeeded", "recovery.failed",
        "emergency.activated", "emergency.ended", "delegation.granted", "delegation.revoked", "vote.cast",
        "vote.decided", "playbook.started", "playbook.step", "playbook.finished", "kernel.started", "kernel.exited",
        "kernel.unhealthy", "fix.applied", "fix.undone", "escalated", "approval.requested", "approval.decided",
        "power.refused",
    }  # fmt: skip


def rewritten(change: dict, drop: str = "") -> bytes:
    """A record whose hash is right, with other content."""
    record = json.loads(line_of({})) | change
    record.pop(drop, None)
    record["hash"] = contract_hash(record)
    return json.dumps(record, ensure_ascii=False).encode() + b"\n"


GOOD = line_of({"a": 1})


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (GOOD[:-1], "unfinished"),
        (b"\n", "blank"),
        (b"   \n", "blank"),
        (GOOD[:-1] + b"\r\n", "CR LF"),
        (b"\xff" + GOOD, "byte 1 is not UTF-8"),
        (b"\xef\xbb\xbf" + GOOD, "not JSON"),
        (b"{nonsense}\n", "not JSON"),
        (b"[]\n", "no JSON object"),
        (b"{}\n", "no key"),
        (b"[" * 9000 + b"\n", "nested too deeply"),
        (GOOD.replace(b'{"a":1}', b'{"a":NaN}'), "not JSON: NaN"),
        (GOOD.replace(b'{"a":1}', b'{"a":1,"a":1}'), "'a' is there twice"),
        (GOOD.replace(b'{"a":1}', b'{"a":1e0}'), "1e0 is not in canonical form"),
        (GOOD.replace(b'{"a":1}', b'{"a":0.1234567}'), "0.1234567 is not in canonical form"),
        (GOOD.replace(b'{"a":1}', b'{"a":0.00001}'), "0.00001 is not in canonical form"),
        (GOOD.replace(b'{"a":1}', b'{"a":-0}'), "-0 is not in canonical form"),
        (GOOD.replace(b'{"a":1}', b'{"a":' + b"9" * 5000 + b"}"), "too many digits"),
        (GOOD.replace(b'{"a":1}', b'{"a":2}'), "hash does not match"),
        (GOOD.replace(b'{"a":1}', b'{"a" :1}'), "not in canonical form"),
        (GOOD.replace(b'{"a":1}', b'{"\\u0061":1}'), "not in canonical form"),
        (b" " + GOOD, "not in canonical form"),
        (GOOD.replace(b'"a":1', b'"a":"' + b"x" * RECORD_MAX_BYTES + b'"'), "longer than 16384 bytes"),
        (rewritten({"seq": True}), "seq is of the wrong type"),
        (rewritten({"seq": 0}), "out of range"),
        (rewritten({"pid": "1"}), "pid is of the wrong type"),
        (rewritten({"data": []}), "data is of the wrong type"),
        (rewritten({"prev": "A" * 64}), "prev is not 64 lower-case hex digits"),
        (rewritten({"extra": 1}), "unknown key 'extra'"),
        (rewritten({}, drop="kind"), "no key 'kind'"),
        (rewritten({"seq": 3}), "seq is 3: 2 records before it are missing"),
        (rewritten({"prev": "f" * 64}), "prev is not the hash of the record before"),
    ],
)
def test_a_broken_line_says_why(line: bytes, why: str) -> None:
    with pytest.raises(Broken, match=why.replace("(", r"\(")):
        check(line, 1, GENESIS)


def test_a_repeated_record_is_out_of_order() -> None:
    with pytest.raises(Broken, match="seq is 1 where 2 belongs"):
        check(GOOD, 2, GENESIS)


@pytest.mark.parametrize("options", [{}, {"separators": (",", ":")}, {"ensure_ascii": False}, {"sort_keys": True}])
def test_any_text_that_json_dumps_makes_of_a_record_is_that_record(options: dict) -> None:
    record = json.loads(line_of({"é": "ü", "n": [1, 0.5]}))
    assert check(json.dumps(record, **options).encode() + b"\n", 1, GENESIS) == record
