"""Another interpreter decides, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graced.mending.interpreter import Checker, Unusable, _Peer, own_error
from graced.mending.propose import propose
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


@pytest.mark.parametrize(
    "source",
    [
        b"# caf\xe9\nx = 1\n", b"x = 1\n# caf\xe9", b"x = 1\n" * 5000 + b"# \xff\n", b"# \xed\xa0\x80\nx = 1\n",
        b"# -*- coding: latin-1 -*-\n# \xe9\nx = 1\n", b"#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\n# \xe9\n",
        b"\n# coding: nonsense\nx = 1\n", b"# a\0b\nx = 1\n", b"# coding: gbk\n# \x81\nx = 1\n",
        b"x = 1\r# caf\xc3\xa9\r", b"x = 1\n\n# coding: latin-1\n# \xe9\n",
    ],
)  # fmt: skip
def test_broken_is_what_python_refuses_to_run(tmp_path: Path, source: bytes) -> None:
    """Comments and encodings included, here and in a Python that is asked."""
    path = tmp_path / "a.py"
    path.write_bytes(source)
    ran = subprocess.run([sys.executable, "-S", str(path)], capture_output=True, timeout=60)
    assert (own_error(source) is None) == (ran.returncode == 0), ran.stderr
    peer = _Peer(sys.executable)
    assert (peer.ask(source) == "") == (ran.returncode == 0), ran.stderr
    peer.close()


def test_bytes_of_a_comment_are_mended_without_touching_code(tmp_path: Path) -> None:
    source = b"import os\n# caf\xe9, na\xefve\nprint(os.name)\n"
    found = propose(str(tmp_path / "a.py"), source, Checker(), 0.01)
    assert found.state == "fixed"
    (tmp_path / "a.py").write_bytes(found.after or b"")
    ran = subprocess.run([sys.executable, "-S", str(tmp_path / "a.py")], capture_output=True, timeout=60)
    assert (ran.returncode, ran.stdout) == (0, b"posix\n")
    unsure = propose(str(tmp_path / "a.py"), b"# \xcf\xf0\xe8\xe2\xe5\xf2\nx = 1\n", Checker(), 0.01)
    assert unsure.state == "suggested"
