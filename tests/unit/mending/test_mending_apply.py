"""A task from a broken file to a fix that stands, also when it is begun by one process and ended by another."""

import os
import sys
from pathlib import Path

import msgspec
import pytest

from graced.config.schema import Backend
from graced.mending import apply
from graced.mending.apply import Job, Note, mend, read_note, settled, undo
from graced.mending.put import digest
from graced.mending.verify import Verifier

BROKEN = b"def f(a:\n    return a\n"
FIXED = b"def f(a):\n    return a\n"
HOPELESS = b"zz ) ( $ 3 ?? def\nqq )) ((\nw $\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "a.py"
    file.write_bytes(BROKEN)
    return file


def job(path: Path, **keys: object) -> Job:
    return msgspec.structs.replace(Job("t1", str(path), str(path.parent / "originals")), **keys)


def verifier(path: Path, code: str) -> Verifier:
    return Verifier((sys.executable, "-S", "-c", code), str(path.parent))


def test_a_fix_is_applied_and_can_be_undone(path: Path) -> None:
    outcome = mend(job(path))
    assert (outcome.state, outcome.applied, path.read_bytes()) == ("done", True, FIXED)
    assert outcome.original is not None
    assert Path(outcome.original).read_bytes() == BROKEN
    before, after = str(outcome.sha256_before), str(outcome.sha256_after)
    assert undo(str(path), before, after, outcome.original)
    assert path.read_bytes() == BROKEN
    assert undo(str(path), before, after, outcome.original)  # asked twice
    path.write_bytes(b"somebody's\n")
    assert not undo(str(path), before, after, outcome.original)


def test_who_goes_on_after_the_rename_tells_the_same(path: Path) -> None:
    first = mend(job(path))
    again = mend(job(path))
    assert again.applied
    assert (again.sha256_before, again.sha256_after, again.original) == (
        first.sha256_before, first.sha256_after, first.original,
    )  # fmt: skip
    assert path.read_bytes() == FIXED
    assert settled(job(path)) == again


def test_who_goes_on_before_the_rename_applies_it(path: Path) -> None:
    folder = path.parent / "originals"
    folder.mkdir()
    note = Note("t1", digest(BROKEN), digest(FIXED), "SyntaxError", True)
    (folder / "t1.json").write_bytes(msgspec.json.encode(note))
    (path.parent / "a.py.graced-4194999").write_bytes(FIXED[:5])
    assert settled(job(path)) is None
    assert mend(job(path)).applied
    assert sorted(os.listdir(path.parent)) == ["a.py", "originals"]


def test_a_file_that_somebody_else_mended_is_not_ours(path: Path) -> None:
    path.write_bytes(FIXED)
    outcome = mend(job(path))
    assert (outcome.state, outcome.applied) == ("done", False)


def test_below_the_confidence_or_without_apply_fix_it_is_a_patch(path: Path) -> None:
    for asked in (job(path, min_confidence=1.0), job(path, apply="suggest")):
        outcome = mend(asked)
        assert (outcome.state, outcome.applied, path.read_bytes()) == ("suggested", False, BROKEN)
        assert outcome.patch is not None
        assert "+def f(a):" in Path(outcome.patch).read_text()


def test_what_has_no_repair_is_left_alone(path: Path) -> None:
    path.write_bytes(HOPELESS)
    outcome = mend(job(path))
    assert outcome.state in ("failed", "suggested")
    assert path.read_bytes() == HOPELESS


def test_a_file_that_is_kept_open_to_write_is_waited_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply, "BUSY_S", 0.3)
    with open(path, "ab"):
        outcome = mend(job(path))
    assert outcome.state == "failed"
    assert "open to write" in outcome.text
    assert path.read_bytes() == BROKEN


@pytest.mark.parametrize("spaces", [True, False])
def test_verify_sees_the_repaired_file_and_has_the_last_word(
    path: Path, spaces: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a mount namespace, and where there are none by putting it in place first."""
    if not spaces:
        monkeypatch.setattr(apply, "can_stand_in", lambda: False)
    sees = f"raise SystemExit(b'f(a):' not in open({str(path)!r}, 'rb').read())"
    refused = mend(job(path, verifier=verifier(path, "raise SystemExit(7)")))
    assert refused.state == "suggested"
    assert "verify: exit code 7" in refused.text
    assert path.read_bytes() == BROKEN
    stands = mend(job(path, task="t2", verifier=verifier(path, sees)))
    assert stands.state == "done"
    assert path.read_bytes() == FIXED
    note = read_note(job(path, task="t2"))
    assert note is not None
    assert note.proved


def test_a_fix_that_was_put_in_place_unproved_is_proved_by_who_goes_on(path: Path) -> None:
    mend(job(path))
    note = read_note(job(path))
    assert note is not None
    asked = job(path, verifier=verifier(path, "raise SystemExit(1)"))
    Path(asked.note_path).write_bytes(msgspec.json.encode(msgspec.structs.replace(note, proved=False)))
    assert mend(asked).state == "suggested"
    assert path.read_bytes() == BROKEN


def test_a_back_end_is_asked_where_the_engine_has_nothing(path: Path) -> None:
    path.write_bytes(HOPELESS * 2)
    script = path.parent / "backend.py"
    script.write_text("import json, sys\nprint('\"\"\"' + json.load(sys.stdin)['source'] + '\"\"\"')\n")
    asked = job(path, backend=Backend(command=(sys.executable, str(script))), config_folder=str(path.parent))
    outcome = mend(asked)
    assert outcome.state in ("done", "suggested")
    if outcome.state == "done":
        assert path.read_bytes().startswith(b'"""')


def test_an_interpreter_that_cannot_be_asked_fails_the_task(path: Path) -> None:
    outcome = mend(job(path, python="/no/such/python"))
    assert outcome.state == "failed"
    assert "/no/such/python" in outcome.text
    assert path.read_bytes() == BROKEN


def test_a_file_that_is_gone(path: Path) -> None:
    path.unlink()
    assert mend(job(path)).state == "failed"


def test_a_fix_of_a_file_with_two_names_is_a_suggestion(path: Path) -> None:
    os.link(path, path.parent / "b.py")
    outcome = mend(job(path))
    assert outcome.state == "suggested"
    assert "2 names (hard links)" in outcome.text
    assert (path.read_bytes(), path.stat().st_nlink) == (BROKEN, 2)


def test_the_patch_of_a_suggestion_has_the_very_bytes(path: Path) -> None:
    path.write_bytes(b"# coding: latin-1\nx = '\xe9'\n" + BROKEN)
    outcome = mend(job(path, apply="suggest"))
    assert outcome.patch is not None
    assert b"\n x = '\xe9'\n" in Path(outcome.patch).read_bytes()


def test_what_compiles_here_is_mended_only_if_it_changed_since_the_kernel_fell_over_it(path: Path) -> None:
    path.write_bytes(FIXED)
    changed = path.stat().st_ctime
    assert mend(job(path, failed_at=changed - 1)).state == "done"  # somebody has been there since
    same = mend(job(path, failed_at=changed + 1))
    assert same.state == "failed"
    assert "coding_agent.watch" in same.text


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="this Python takes it")
def test_what_may_be_right_for_a_newer_python_is_left_alone(path: Path) -> None:
    newer = b"class A[T]:\n    x: T\n"
    path.write_bytes(newer)
    left = mend(job(path))
    assert not left.applied
    assert "left alone" in left.text
    assert path.read_bytes() == newer
    assert "left alone" not in mend(job(path, python=sys.executable)).text  # somebody said that it runs on ours


def test_what_may_pass_is_told_from_what_lasts(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply, "BUSY_S", 0.1)
    with open(path, "ab"):
        assert mend(job(path)).retry == "later"
    assert mend(job(path, python="/no/such/python")).retry == "later"
    assert mend(job(path, apply="suggest")).retry == "when_applied"
    assert mend(job(path, min_confidence=1.0)).retry == ""
    path.write_bytes(HOPELESS)
    assert mend(job(path)).retry == ""
    path.unlink()
    assert mend(job(path)).retry == ""
