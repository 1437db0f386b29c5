"""`graced fix`: exit codes, what is printed, and what is not touched."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

CLI = "from graced.cli.main import main; main()"
BROKEN = b"def f(a)\n    return a\n"
FIXED = b"def f(a):\n    return a\n"
HOPELESS = b"zz ) ( $ 3 ?? def\nqq )) ((\nw $\n"


def with_ease(words: Sequence[str]) -> list[str]:
    """With a limit below whatever the engine gives: how sure it is, is another matter."""
    return [*words] if "--min-confidence" in words or "--undo" in words else ["--min-confidence", "0.01", *words]


def fix(
    folder: Path, *words: str, environ: dict[str, str] | None = None, easily: bool = True
) -> "subprocess.CompletedProcess[bytes]":
    env = {name: value for name, value in os.environ.items() if not name.startswith("GRACED_")}
    env["XDG_STATE_HOME"] = str(folder.parent / f"{folder.name}-state")
    argv = [sys.executable, "-P", "-c", CLI, "fix", *(with_ease(words) if easily else words)]
    return subprocess.run(argv, cwd=folder, env={**env, **(environ or {})}, capture_output=True, timeout=300)


def tree(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """Bytes, inode and time of change of every file."""
    found = {}
    for top, _, names in os.walk(folder):
        for name in names:
            path = Path(top, name)
            status = path.stat()
            found[str(path.relative_to(folder))] = (path.read_bytes(), status.st_ino, status.st_mtime_ns)
    return found


def states(done: "subprocess.CompletedProcess[bytes]") -> dict[str, str]:
    return {each["path"]: each["state"] for each in json.loads(done.stdout)["files"]}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "good.py").write_bytes(b"x = 1\n")
    (tmp_path / "bad.py").write_bytes(BROKEN)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "bom.py").write_bytes(b"x = 1\n\xef\xbb\xbfy = 2\n")
    return tmp_path


def test_it_mends_in_place_and_exits_0_when_all_compile(project: Path) -> None:
    (project / "bad.py").chmod(0o754)
    done = fix(project, "bad.py", "sub", "good.py")
    assert done.returncode == 0, done.stderr
    assert (project / "bad.py").read_bytes() == FIXED
    assert (project / "bad.py").stat().st_mode & 0o777 == 0o754
    assert (project / "sub" / "bom.py").read_bytes() == b"x = 1\ny = 2\n"
    assert b"3 files: 2 fixed" in done.stdout
    assert fix(project, ".").stdout == b"3 files: all compile\n"


def test_what_cannot_be_mended_is_left_alone_and_exits_1(project: Path) -> None:
    (project / "hopeless.py").write_bytes(HOPELESS)
    done = fix(project, ".")
    assert done.returncode == 1
    assert (project / "hopeless.py").read_bytes() == HOPELESS
    assert (project / "bad.py").read_bytes() == FIXED


@pytest.mark.parametrize(("words", "code"), [(("--check",), 1), (("--diff",), 1), (("--stdout",), 0)])
def test_these_change_nothing(project: Path, words: Sequence[str], code: int) -> None:
    before = tree(project)
    done = fix(project, ".", *words)
    assert done.returncode == code, done.stdout
    assert tree(project) == before
    assert fix(project, "good.py", *words).returncode == 0


def test_the_diff_can_be_applied(project: Path) -> None:
    done = fix(project, "--diff", "bad.py")
    assert b"-def f(a)\n+def f(a):\n" in done.stdout
    subprocess.run(["patch", "-p1"], cwd=project, input=done.stdout, check=True, capture_output=True)
    assert (project / "bad.py").read_bytes() == FIXED


def test_stdout_is_the_source_and_nothing_else(project: Path) -> None:
    assert fix(project, "--stdout", "bad.py").stdout == FIXED
    assert fix(project, "--stdout", "good.py").stdout == b"x = 1\n"


def test_json_tells_each_file(project: Path) -> None:
    done = fix(project, "--json", "--check", ".")
    assert done.returncode == 1
    files = {each["path"]: each for each in json.loads(done.stdout)["files"]}
    assert files["good.py"] == {
        "path": "good.py", "state": "intact", "errors": [], "edits": 0, "confidence": 1.0, "ms": files["good.py"]["ms"],
    }  # fmt: skip
    bad = files["bad.py"]
    assert bad["state"] == "fixed"
    assert bad["errors"] == ["SyntaxError: expected ':' (line 1)"]
    assert bad["edits"] == 1
    assert 0 < bad["confidence"] <= 1
    assert bad["ms"] > 0


def test_min_confidence_is_that_of_the_option_else_of_the_configuration(project: Path) -> None:
    (project / "graced.yaml").write_text("coding_agent: {min_confidence: 1}\n")
    done = fix(project, "--json", "bad.py", easily=False)
    assert (done.returncode, states(done)) == (1, {"bad.py": "suggested"})
    assert (project / "bad.py").read_bytes() == BROKEN
    done = fix(project, "--json", "bad.py", "--min-confidence", "0.01")
    assert (done.returncode, states(done)) == (0, {"bad.py": "fixed"})


def test_ignored_files_are_passed_over_unless_they_are_named(project: Path) -> None:
    (project / ".gitignore").write_text("bad.py\n")
    assert states(fix(project, "--json", ".")) == {"good.py": "intact", "sub/bom.py": "fixed"}
    assert states(fix(project, "--json", "bad.py")) == {"bad.py": "fixed"}


def test_mistakes_are_one_line(project: Path) -> None:
    assert fix(project).returncode == 2
    missing = fix(project, "nowhere.py")
    assert missing.returncode == 2
    assert b"nowhere.py" in missing.stderr
    assert fix(project, "--diff", "--stdout", ".").returncode == 2
    assert fix(project, "--min-confidence", "7", ".").returncode == 2
    (project / "graced.yaml").write_text("coding_agnt: {}\n")
    assert fix(project, ".").returncode == 78


def test_what_is_no_python_is_refused_before_anything_is_touched(project: Path) -> None:
    texts = {
        "README.md": b"# graced\n\nIt mends things (or so.\n",
        "run.sh": b"#!/bin/sh\nif [ -f x ]; then\n",
        "Makefile": b"all:\n\tcc\n",
    }
    for name, text in texts.items():
        (project / name).write_bytes(text)
    done = fix(project, "bad.py", *texts)
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert b"README.md (and 2 more)" in done.stderr
    assert (project / "bad.py").read_bytes() == BROKEN
    assert {name: (project / name).read_bytes() for name in texts} == texts
    (project / "tool").write_bytes(b"#!/usr/bin/env python3\n" + BROKEN)
    (project / "conf.txt").write_bytes(BROKEN)
    assert fix(project, "tool").returncode == 0
    assert fix(project, "--force", "conf.txt").returncode == 0
    assert (project / "conf.txt").read_bytes() == FIXED


def test_what_is_too_large_or_no_file_at_all_does_not_fail_a_folder(project: Path) -> None:
    (project / "large.py").write_bytes(b"D = (\n" + b"    'some words of data',\n" * 60_000 + b")\n")
    os.mkfifo(project / "fifo.py")
    done = fix(project, "--json", ".")
    assert done.returncode == 0
    assert b"large.py: larger than" in done.stderr
    assert set(states(done)) == {"good.py", "bad.py", "sub/bom.py"}
    done = fix(project, "--json", "large.py")
    assert (done.returncode, states(done)) == (0, {"large.py": "intact"})


@pytest.mark.parametrize("how", ["default", "option", "environment", "file"])
def test_the_home_in_effect_is_not_walked(project: Path, how: str) -> None:
    home = project / (".graced" if how == "default" else "state")
    (home / "kept").mkdir(parents=True)
    (home / "kept" / "a.py").write_bytes(BROKEN)
    words = ("--home", "state") if how == "option" else ()
    if how == "file":
        (project / "graced.yaml").write_text("home: state\n")
    done = fix(project, ".", *words, environ={"GRACED_HOME": "state"} if how == "environment" else None)
    assert done.returncode == 0
    assert (home / "kept" / "a.py").read_bytes() == BROKEN


@pytest.mark.parametrize("unseen", [False, True])
def test_verify_of_the_configuration_has_its_say(project: Path, monkeypatch: pytest.MonkeyPatch, unseen: bool) -> None:
    from graced.cli.root import cli
    from graced.mending import many

    monkeypatch.setenv("XDG_STATE_HOME", str(project / "state"))
    if unseen:  # as where there are no mount namespaces
        monkeypatch.setattr(many, "can_stand_in", lambda: False)
    monkeypatch.chdir(project)
    monkeypatch.delenv("GRACED_HOME", raising=False)
    (project / "graced.yaml").write_text("coding_agent: {verify: ./check, apply: off, min_confidence: 0.01}\n")
    check = project / "check"
    check.write_text('#!/bin/sh\ngrep -q "f(a):" "$GRACED_FILE" || exit 9\necho seen >> seen\nexit "$(cat code)"\n')
    check.chmod(0o755)
    (project / "code").write_text("3")
    done = CliRunner().invoke(cli, ["fix", "bad.py"], standalone_mode=False)
    assert "verify: exit code 3" in done.output, done.output
    assert (project / "bad.py").read_bytes() == BROKEN
    (project / "code").write_text("0")
    done = CliRunner().invoke(cli, ["fix", "bad.py"], standalone_mode=False)
    assert (project / "bad.py").read_bytes() == FIXED, (done.output, done.exception)
    assert (project / "seen").read_text() == "seen\nseen\n"


@pytest.mark.skipif(os.geteuid() == 0 == 0, reason="root may write anything")
def test_a_file_that_may_not_be_written_is_told(project: Path) -> None:
    project.chmod(0o500)
    done = fix(project, "--json", "bad.py")
    project.chmod(0o700)
    assert states(done) == {"bad.py": "not_fixed"}


def test_many_intact_files_are_byte_identical_and_untouched(tmp_path: Path) -> None:
    texts = [
        b"\xef\xbb\xbfx = 1\r\n",
        b"y = 'caf\xc3\xa9'\n",
        b"# -*- coding: latin-1 -*-\nz = '\xe9'\n",
        b"",
        b"a = 1",
    ]
    for index in range(2000):
        folder = tmp_path / f"p{index // 100}"
        folder.mkdir(exist_ok=True)
        (folder / f"m{index}.py").write_bytes(texts[index % len(texts)] + (b"\n" if index % len(texts) == 4 else b""))
    before = tree(tmp_path)
    done = fix(tmp_path, ".")
    assert done.returncode == 0
    assert done.stdout == b"2000 files: all compile\n"
    assert tree(tmp_path) == before


def test_a_name_that_is_no_text_and_two_names_of_one_file(project: Path) -> None:
    name = os.fsencode(project) + b"/\xff.py"
    with open(name, "wb") as file:
        file.write(BROKEN)
    done = fix(project, "--json", ".", "bad.py", "./bad.py")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["files"]) == 4
    with open(name, "rb") as file:
        assert file.read() == FIXED


def test_the_python_of_a_kernel_decides_over_its_sources(project: Path) -> None:
    python = project / "python"
    python.write_text("#!/bin/sh\nexit 3\n")
    python.chmod(0o755)
    (project / "own.py").write_text("print('nothing is wrong here')\n")
    configuration = {"kernels": {"own": {"command": ["./python", "own.py"], "sources": ["own.py"]}}}
    (project / "graced.yaml").write_text(json.dumps(configuration))
    done = fix(project, "own.py", "--json")
    (told,) = json.loads(done.stdout)["files"]
    assert (done.returncode, told["state"]) == (1, "not_fixed")
    assert str(python) in told["errors"][0]
