"""The file's own past: the fault lies in what changed since, and what stood there may be put back."""

from graced.repair import repair
from graced.repair.past import candidates, past_of

GOOD = """import os


def load(path, mode):
    with open(path, mode) as file:
        return file.read()


def names(folder):
    found = sorted(os.listdir(folder))
    return [name for name in found if not name.startswith(".")]
"""


def test_what_changed_is_told_from_what_did_not() -> None:
    broken = GOOD.replace("sorted(os.listdir(folder))", "sorted(os.listdir(folder)")
    past = past_of([GOOD], broken)
    assert past is not None
    assert past.changed == {9}
    assert "import os" in past.unchanged
    assert "    found = sorted(os.listdir(folder)" not in past.unchanged


def test_a_slip_is_put_back_and_the_rest_of_the_change_stays() -> None:
    broken = GOOD.replace("found = sorted(os.listdir(folder))", "entries = sorted(os.listdir(folder)").replace(
        "in found if", "in entries if"
    )
    found = repair(broken.encode(), past=[GOOD])
    assert found.fixed == broken.replace("(folder)\n", "(folder))\n").encode()


def test_the_newest_text_that_is_like_the_file_counts() -> None:
    other = "print('another file')\n"
    past = past_of([other, GOOD], GOOD.replace("import os", "import os, (sys"))
    assert past is not None
    assert "".join(past.old) == GOOD


def test_a_past_that_is_the_same_or_another_file_tells_nothing() -> None:
    assert past_of([GOOD], GOOD) is None
    assert past_of(["x = 1\n" * 30], GOOD) is None
    assert past_of([], GOOD) is None


def test_a_hunk_that_is_put_back_is_shown_as_what_it_is() -> None:
    broken = GOOD.replace("        return file.read()\n", "        ]]] ??? [[[ %%% ((( if else\n")
    found = repair(broken.encode(), past=[GOOD])
    assert found.fixed == GOOD.encode()
    assert found.notes == ("restored_hunk",)


def test_newlines_of_the_past_may_be_others() -> None:
    broken = GOOD.replace("import os", "import os as (").replace("\n", "\r\n")
    past = past_of([GOOD], broken)
    assert past is not None
    assert past.changed == {0}


def test_the_candidates_put_back_what_stood_there() -> None:
    broken = GOOD.replace("(path, mode):", "(path, mode:")
    past = past_of([GOOD], broken)
    assert past is not None
    assert "restored_hunk" in {candidate.rule for candidate in candidates(past, broken)}
