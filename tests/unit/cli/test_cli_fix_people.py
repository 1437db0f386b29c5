"""`graced fix` for people and for their other tools: what is shown, chosen, taken back; whose programs are run."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
CLI = "from graced.cli.main import main; main()"
SURE = b"def f(a)\n    return a\n"
FIXED = b"def f(a):\n    return a\n"
UNSURE = b"x = 1\n\tif x:\n  y = (2\nprint x, y)\nz = 'a\n"
HOPELESS = b"zz ) ( $ 3 ?? def\nqq )) ((\nw $\n"

Done = "subprocess.CompletedProcess[str]"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "good.py").write_bytes(b"x = 1\n")
    (folder / "sure.py").write_bytes(SURE)
    return folder


def easily(words: Sequence[str]) -> list[str]:
    """With a limit below whatever the engine gives: how sure it is, is another matter."""
    return [*words] if "--min-confidence" in words or "--undo" in words else ["--min-confidence", "0.01", *words]


def fix(folder: Path, *words: str, said: str = "", **environ: str) -> "subprocess.CompletedProcess[str]":
    env = {name: value for name, value in os.environ.items() if not name.startswith(("GRACED_", "GIT_"))}
    env |= {"XDG_STATE_HOME": str(folder.parent / "state"), **environ}
    argv = [sys.executable, "-P", "-c", CLI, "fix", *easily(words)]
    return subprocess.run(argv, cwd=folder, env=env, input=said, capture_output=True, text=True, timeout=300)


# --- what is shown


def test_an_error_is_shown_with_its_line_and_a_caret(project: Path) -> None:
    (project / "sure.py").write_bytes(b"import os\n\n\n" + SURE)
    done = fix(project, "--check", "sure.py")
    assert done.returncode == 1
    assert done.stdout.splitlines()[:6] == [
        "SyntaxError: expected ':'",
        " --> sure.py:4:9",
        "3 |",
        "4 | def f(a)",
        "  |         ^",
        "5 |     return a",
    ]
    assert "can be fixed  adds the missing colon (1 edit, confidence 0." in done.stdout


def test_every_error_of_a_file_is_shown(project: Path) -> None:
    (project / "two.py").write_bytes(SURE + b"\n\nclass A\n    x = 1\n\n\nwhile True\n    pass\n")
    done = fix(project, "--check", "two.py")
    for place in ("two.py:1:9", "two.py:5:8", "two.py:9:11"):
        assert f" --> {place}" in done.stdout, done.stdout
    assert done.stdout.count("^") == 3


def test_tabs_and_control_characters_do_not_disturb_the_caret(project: Path) -> None:
    (project / "tab.py").write_bytes(b"if 1:\n\tdef f(a, b='\x1b[31m')\n\t\treturn a\n")
    lines = fix(project, "--check", "tab.py").stdout.splitlines()
    at = next(index for index, line in enumerate(lines) if "^" in line)
    assert "\x1b" not in lines[at - 1]
    assert lines[at].index("^") == len(lines[at - 1])


def test_a_suggestion_is_shown_with_its_reason_and_changes(project: Path) -> None:
    (project / "sure.py").write_bytes(SURE)
    done = fix(project, "--min-confidence", "1", "sure.py")
    assert done.returncode == 1
    assert "not sure      adds the missing colon (its confidence 0." in done.stdout
    assert "  -def f(a)\n  +def f(a):\n" in done.stdout
    assert (project / "sure.py").read_bytes() == SURE


def test_what_stood_there_before_is_the_other_reading(project: Path) -> None:
    whole = b"def f(a):\n    return [a, 1]\n"
    commit(project, "old.py", whole)
    (project / "old.py").write_bytes(b"def f(a):\n    return [a, 2\n")
    told = json.loads(fix(project, "--diff", "--json", "--min-confidence", "1", "old.py").stdout)["files"][0]
    readings = [told.get("diff", ""), told.get("other", "")]
    assert any("+    return [a, 1]" in reading for reading in readings), told


def commit(folder: Path, name: str, text: bytes) -> None:
    (folder / name).write_bytes(text)
    person = ["-c", "user.name=somebody", "-c", "user.email=some@body"]
    for words in (["init", "-q"], ["add", name], ["commit", "-qm", "one"]):
        env = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        subprocess.run(["git", *person, *words], cwd=folder, env=env, check=True, timeout=60)


# --- formats


def test_json_tells_places_and_rules(project: Path) -> None:
    (told,) = json.loads(fix(project, "--format", "json", "--check", "sure.py").stdout)["files"]
    assert told["places"] == [{"line": 1, "column": 9, "end_column": 10, "message": "SyntaxError: expected ':'"}]
    assert told["rules"] == ["missing_colon"]


def test_github_gets_an_annotation_for_each_error(project: Path) -> None:
    (project / "odd, name.py").write_bytes(HOPELESS)
    done = fix(project, "--format", "github", "--check", ".")
    first, second = sorted(done.stdout.splitlines(), key=lambda line: "odd" in line)
    assert first.startswith(
        "::notice file=sure.py,line=1,col=9,endColumn=10,title=graced::SyntaxError: expected ':' (fixed"
    )
    assert second.startswith(("::error file=odd%2C name.py,line=1,", "::notice file=odd%2C name.py,line=1,"))
    assert done.returncode == 1


def test_sarif_is_what_its_schema_asks_for(project: Path) -> None:
    found = json.loads(fix(project, "--format", "sarif", "--check", ".").stdout)
    assert (found["version"], len(found["runs"])) == ("2.1.0", 1)
    (result,) = found["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "sure.py"
    assert place["region"] == {"startLine": 1, "startColumn": 9, "endColumn": 10}
    (change,) = result["fixes"][0]["artifactChanges"]
    (replacement,) = change["replacements"]
    assert replacement["deletedRegion"] == {"startLine": 1, "startColumn": 1, "endLine": 2, "endColumn": 1}
    assert replacement["insertedContent"]["text"] == "def f(a):\n"


# --- undo


def test_undo_restores_the_bytes_from_before(project: Path) -> None:
    (project / "sub").mkdir()
    (project / "sub" / "b.py").write_bytes(b"\xef\xbb\xbf" + SURE.replace(b"\n", b"\r\n"))
    before = (project / "sub" / "b.py").read_bytes()
    done = fix(project, ".")
    assert done.returncode == 0, done.stdout
    assert "graced fix --undo" in done.stdout
    assert (project / "sure.py").read_bytes() == FIXED
    undone = fix(project, "--undo", ".")
    assert undone.returncode == 0, undone.stderr
    assert (project / "sure.py").read_bytes() == SURE
    assert (project / "sub" / "b.py").read_bytes() == before
    again = fix(project, "--undo", "sure.py")
    assert (again.returncode, "nothing is known" in again.stderr) == (1, True)


def test_undo_leaves_what_has_changed_since_alone(project: Path) -> None:
    assert fix(project, "sure.py").returncode == 0
    (project / "sure.py").write_bytes(FIXED + b"# mine\n")
    undone = fix(project, "--undo", "sure.py")
    assert undone.returncode == 1
    assert "has changed since" in undone.stderr
    assert (project / "sure.py").read_bytes() == FIXED + b"# mine\n"


def test_fixes_are_taken_back_one_by_one(project: Path) -> None:
    fix(project, "sure.py")
    (project / "sure.py").write_bytes(FIXED + b"\n\nclass A\n    x = 1\n")
    fix(project, "sure.py")
    assert (project / "sure.py").read_bytes() == FIXED + b"\n\nclass A:\n    x = 1\n"
    assert fix(project, "--undo", "sure.py").returncode == 0
    assert (project / "sure.py").read_bytes() == FIXED + b"\n\nclass A\n    x = 1\n"
    (project / "sure.py").write_bytes(FIXED)
    assert fix(project, "--undo", "sure.py").returncode == 0
    assert (project / "sure.py").read_bytes() == SURE


def test_a_fix_whose_original_cannot_be_kept_is_none(project: Path) -> None:
    (project.parent / "state").write_text("a file where the folder should be")
    done = fix(project, "sure.py")
    assert done.returncode == 1
    assert "XDG_STATE_HOME" in done.stdout
    assert (project / "sure.py").read_bytes() == SURE


def test_originals_are_the_user_s_alone(project: Path) -> None:
    fix(project, "sure.py")
    for top, folders, files in os.walk(project.parent / "state" / "graced"):
        assert all(os.stat(Path(top, name)).st_mode & 0o777 == 0o700 for name in folders)
        assert all(os.stat(Path(top, name)).st_mode & 0o777 == 0o600 for name in files)


# --- choosing


def test_a_person_chooses_file_by_file(project: Path) -> None:
    for name in ("a.py", "b.py", "c.py"):
        (project / name).write_bytes(SURE)
    done = fix(project, "-i", "a.py", "b.py", "c.py", said="y\nn\n")
    assert done.returncode == 1
    assert [(project / name).read_bytes() for name in ("a.py", "b.py", "c.py")] == [FIXED, SURE, SURE]
    assert "-def f(a)\n+def f(a):" in done.stdout
    done = fix(project, "-i", "a.py", "b.py", "c.py", said="a\n")
    assert done.returncode == 0
    assert (project / "c.py").read_bytes() == FIXED
    assert fix(project, "--undo", "c.py").returncode == 0


def test_a_person_may_take_what_is_not_sure_and_the_other_reading(project: Path) -> None:
    whole = b"def f(a):\n    return [a, 1]\n"
    commit(project, "old.py", whole)
    (project / "old.py").write_bytes(b"def f(a):\n    return [a, 2\n")
    done = fix(project, "-i", "--min-confidence", "1", "old.py", said="q\n")
    assert done.returncode == 1
    if "other reading" in done.stdout:
        assert fix(project, "-i", "--min-confidence", "1", "old.py", said="x\no\n").returncode == 0
        assert (project / "old.py").read_bytes() != b"def f(a):\n    return [a, 2\n"
    (project / "sure.py").write_bytes(SURE)
    assert fix(project, "-i", "--min-confidence", "1", "sure.py", said="y\n").returncode == 0
    assert (project / "sure.py").read_bytes() == FIXED


def test_apply_below_applies_what_is_only_suggested(project: Path) -> None:
    assert fix(project, "--min-confidence", "1", "sure.py").returncode == 1
    assert fix(project, "--min-confidence", "1", "--apply-below", "sure.py").returncode == 0
    assert (project / "sure.py").read_bytes() == FIXED


# --- hands off


def test_what_is_not_ours_is_passed_over_and_suggested_where_it_is_named(project: Path) -> None:
    for name in (".venv/x.py", "tests/fixtures/x.py", "build/x.py"):
        (project / name).parent.mkdir(parents=True)
        (project / name).write_bytes(SURE)
    done = fix(project, "--json", ".")
    assert {each["path"] for each in json.loads(done.stdout)["files"]} == {"good.py", "sure.py"}
    named = fix(project, "tests/fixtures/x.py")
    assert (named.returncode, "on purpose" in named.stdout) == (1, True)
    assert fix(project, "--force", "tests/fixtures/x.py").returncode == 0
    assert (project / "tests/fixtures/x.py").read_bytes() == FIXED


def test_a_conflict_of_git_is_not_touched(project: Path) -> None:
    commit(project, "a.py", b"x = 1\n")
    person = ["-c", "user.name=somebody", "-c", "user.email=some@body"]
    blob = subprocess.run(["git", "hash-object", "-w", "a.py"], cwd=project, capture_output=True, text=True, check=True)
    stages = "".join(f"100644 {blob.stdout.strip()} {stage}\ta.py\n" for stage in (1, 2, 3))
    subprocess.run(["git", *person, "update-index", "--index-info"], cwd=project, input=f"0 {'0' * 40}\ta.py\n{stages}",
                   text=True, check=True)  # fmt: skip
    (project / "a.py").write_bytes(SURE)
    done = fix(project, "--apply-below", "a.py")
    assert (done.returncode, "unmerged" in done.stdout) == (1, True)
    assert (project / "a.py").read_bytes() == SURE


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
@pytest.mark.parametrize("how", ["found", "named", "included", "writable"])
def test_no_program_is_run_that_another_user_names(project: Path, how: str) -> None:
    ran = project / "ran"
    script = project / "program"
    script.write_text(f"#!/bin/sh\ntouch {ran}\nexit 0\n")
    script.chmod(0o755)
    named = {"verify": str(script), "backend": {"command": [str(script)]},
             "watch": [{"path": str(project), "python": str(script)}]}  # fmt: skip
    kernels = {"k": {"command": [str(script)], "sources": [str(project)]}}
    whole = {"coding_agent": named, "kernels": kernels}
    strange = project / ("more.yaml" if how == "included" else "graced.yaml")
    strange.write_text(json.dumps(whole))
    if how == "included":
        (project / "graced.yaml").write_text(json.dumps({"include": ["more.yaml"]}))
    if how == "writable":
        strange.chmod(0o666)
    else:
        os.chown(strange, 12345, 12345)
    words = ["--config", str(strange)] if how == "named" else []
    for more in (["--check"], []):
        done = fix(project, *words, *more, "sure.py")
        assert not ran.exists(), done
    assert "its programs are not run" in done.stderr
    assert (project / "sure.py").read_bytes() == FIXED


def test_the_hooks_for_pre_commit_are_commands_that_exist() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    for hook in hooks:
        assert hook["entry"].startswith("graced fix")
        words = hook["entry"].split()[2:]
        done = subprocess.run(
            [sys.executable, "-P", "-c", CLI, "fix", *words, "--help"], capture_output=True, timeout=60
        )
        assert done.returncode == 0
    assert {hook["id"] for hook in hooks} == {"graced-fix", "graced-check"}
