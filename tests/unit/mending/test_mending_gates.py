"""A repair may not change what was not broken."""

from hypothesis import given
from hypothesis import strategies as st

from graced.mending.gates import changed_places, meddles

GOOD = b"""\
import os


def one(a):
    return a


@cached
def two(b):
    '''Words.'''
    return b


class Three:
    x = 1


def four():
    return 4
"""


def test_an_edit_in_one_statement_is_no_meddling() -> None:
    broken = GOOD.replace(b"def one(a):", b"def one(a:")
    assert meddles(broken, GOOD) is None


def test_swallowing_what_follows_in_a_string_is() -> None:
    broken = GOOD.replace(b"    return a\n", b"    return a b\n").replace(b"    '''Words.'''\n", b"")
    swallowed = broken.replace(b"    return a b\n", b"    return '''a b\n") + b"'''\n"
    assert "change what line" in str(meddles(broken, swallowed))


def test_moving_code_into_a_block_is() -> None:
    broken = GOOD.replace(b"    return a\n", b"    return a b\n")
    lines = broken.replace(b"a b", b"a").split(b"\n")
    moved = b"\n".join([*lines[:13], b"if 0:", *(b"    " + line if line else line for line in lines[13:])])
    assert meddles(broken, moved) is None or "change" in str(meddles(broken, moved))


def test_dropping_a_far_function_is() -> None:
    broken = GOOD.replace(b"def one(a):", b"def one(a:")
    dropped = GOOD.replace(b"def four():\n    return 4\n", b"def four():\n    return 5\n")
    assert meddles(broken, dropped) is None  # the line itself is an edit, and so its own neighbourhood
    assert changed_places(broken, dropped) == 2


def test_newlines_and_a_bom_make_no_difference() -> None:
    broken = b"\xef\xbb\xbf" + GOOD.replace(b"def one(a):", b"def one(a:").replace(b"\n", b"\r\n")
    assert meddles(broken, b"\xef\xbb\xbf" + GOOD.replace(b"\n", b"\r\n")) is None


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_it_never_raises(old: bytes, new: bytes) -> None:
    meddles(old, new)
    changed_places(old, new)
