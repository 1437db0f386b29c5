"""Diffs: made for people, applied strictly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graced.mending.patch import Unfit, patched, unified

OLD = b"a = 1\nb = (2\nc = 3\nd = 4\n"
NEW = b"a = 1\nb = (2)\nc = 3\nd = 4\n"


LINES = st.lists(st.sampled_from(["a", "b", "  c", ""]), max_size=12)


@given(LINES, LINES)
def test_what_is_made_can_be_applied(old: list[str], new: list[str]) -> None:
    before, after = ("".join(line + "\n" for line in lines).encode() for lines in (old, new))
    diff = unified(before, after, "/src/a.py")
    if before != after and before and after:
        assert patched(before, diff, "/src/a.py") == after


def test_the_newlines_of_the_file_stay() -> None:
    diff = unified(OLD, NEW, "a.py")
    assert patched(OLD.replace(b"\n", b"\r\n"), diff, "/x/a.py") == NEW.replace(b"\n", b"\r\n")


def test_a_hunk_may_be_some_lines_off() -> None:
    diff = unified(OLD, NEW, "a.py").replace("@@ -1,4 +1,4 @@", "@@ -9,4 +9,4 @@")
    assert patched(OLD, diff, "/x/a.py") == NEW


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
    diff = change(unified(OLD, NEW, "/src/a.py"))
    with pytest.raises(Unfit, match=said):
        patched(OLD, diff, "/src/a.py")
