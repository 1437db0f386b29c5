"""Diffs: made for people, applied strictly."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graced.mending.lines import Unfit, lines_of
from graced.mending.patch import patched, unified

OLD = b"a = 1\nb = (2\nc = 3\nd = 4\n"
NEW = b"a = 1\nb = (2)\nc = 3\nd = 4\n"


LINES = st.lists(st.sampled_from(["a", "b", "  c", ""]), max_size=12)


@given(LINES, LINES)
def test_what_is_made_can_be_applied(old: list[str], new: list[str]) -> None:
    before, after = ("".join(line + "\n" for line in lines).encode() for lines in (old, new))
    diff = unified(before, after, "/src/a.py")
    if before != after and before and after:
        assert patched(lines_of(before), diff.decode(), "/src/a.py") == after


def test_the_newlines_of_the_file_stay() -> None:
    diff = unified(OLD, NEW, "a.py").decode()
    crlf = lines_of(OLD.replace(b"\n", b"\r\n"))
    assert patched(crlf, diff, "/x/a.py") == NEW.replace(b"\n", b"\r\n")


def test_each_line_that_is_not_edited_keeps_its_own_newline() -> None:
    old = b"a = 1\nb = (2\r\nc = 3\r\nd = 4\n"
    diff = unified(OLD, NEW, "a.py").decode()
    assert patched(lines_of(old), diff, "/x/a.py") == old.replace(b"(2", b"(2)")


@pytest.mark.parametrize("name", ["latin.py", 'od"d\\na\nme.py', "a b.py"])
def test_git_can_apply_what_is_made_whatever_the_encoding(tmp_path: Path, name: str) -> None:
    old = b"# coding: latin-1\r\nx = '\xe9'\nb = (2\ny = '\xff'"
    (tmp_path / name).write_bytes(old)
    diff = unified(old, old.replace(b"(2", b"(2)"), name)
    argv = ["git", "-c", "core.whitespace=cr-at-eol", "apply", "-"]
    subprocess.run(argv, cwd=tmp_path, input=diff, check=True)
    assert (tmp_path / name).read_bytes() == old.replace(b"(2", b"(2)")


def test_a_hunk_may_be_some_lines_off() -> None:
    diff = unified(OLD, NEW, "a.py").decode().replace("@@ -1,4 +1,4 @@", "@@ -9,4 +9,4 @@")
    assert patched(lines_of(OLD), diff, "/x/a.py") == NEW


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.replace("a/src/a.py", "a/src/b.py"), "another file"),
        (lambda d: d.replace("+++ b/src/a.py", "+++ /dev/null"), "more than change"),
        (lambda d: d.replace("+++ b/src/a.py", "+++ b/../../etc/passwd"), "another file"),
        (lambda d: d.replace(" a = 1", " a = 7"), "does not fit"),
        (lambda d: "rename from x\n" + d, "more than change"),
        (lambda d: d.split("@@")[0], "no hunk"),
    ],
)
def test_what_is_refused(change, said: str) -> None:  # type: ignore[no-untyped-def]
    diff = change(unified(OLD, NEW, "/src/a.py").decode())
    with pytest.raises(Unfit, match=said):
        patched(lines_of(OLD), diff, "/src/a.py")
