"""Another interpreter decides, in a process of its own."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graced.mending.interpreter import Checker, Unusable, own_error
from graced.repair import compiles


def test_another_version_has_the_last_word(older: str) -> None:
    checker = Checker(older)
    try:
        assert checker.version == (3, 8)
        assert checker.foreign
        assert checker.error(b"x = 1\n") is None
        assert checker.error(b"match x:\n    case 1: pass\n") == "SyntaxError: invalid syntax (line 1)"
        assert checker.error(b"\0") is not None
    finally:
        checker.close()


def test_the_same_version_needs_no_process(tmp_path: Path) -> None:
    link = tmp_path / "python"
    link.symlink_to(sys.executable)
    checker = Checker(str(link))
    assert not checker.foreign
    assert checker.error(b"def f(:\n") == "SyntaxError: invalid syntax (line 1)"


@pytest.mark.parametrize("python", ["/no/such/python", "/bin/true", os.devnull])
def test_what_is_no_interpreter(python: str) -> None:
    with pytest.raises(Unusable):
        Checker(python)


CODE = st.text(alphabet="()[]{} \n-+~notlambda:x'\"#", max_size=200)


@given(st.one_of(st.binary(max_size=200), CODE.map(str.encode)))
def test_the_quick_way_says_what_the_engine_says(source: bytes) -> None:
    assert own_error(source) == compiles(source)


@pytest.mark.parametrize("source", [b"(" * 50_000, b"-" * 100_000 + b"1", b"not " * 50_000 + b"x", b"x = [\n" * 5000])
def test_the_quick_way_leaves_the_deep_to_the_engine(source: bytes) -> None:
    assert own_error(source) is not None
