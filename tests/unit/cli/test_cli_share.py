"""share/: manual pages and completions are those of the command line as it is (scripts/make_share)."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Final

import click
import pytest
from click.testing import CliRunner

from graced.cli.root import cli

ROOT: Final = Path(__file__).resolve().parents[3]
SHARE: Final = ROOT / "share"


def pages(group: click.Group, name: str) -> set[str]:
    context = click.Context(group)
    found = {f"{name}.1"}
    for word in group.list_commands(context):
        command = group.get_command(context, word)
        assert command is not None
        if isinstance(command, click.Group):
            found |= pages(command, f"{name}-{word}")
        elif not command.hidden:
            found.add(f"{name}-{word}.1")
    return found


def test_every_command_has_its_manual_page_and_no_other_is_there() -> None:
    have = {path.name for path in (SHARE / "man" / "man1").iterdir()}
    assert have == pages(cli, "graced"), "run scripts/make_share"


@pytest.mark.skipif(importlib.util.find_spec("click_man") is None, reason="needs click-man, of the extra `dev`")
def test_share_is_as_the_script_makes_it(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(ROOT / "scripts" / "make_share"), str(tmp_path)], check=True, cwd=ROOT)
    made = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    kept = {path.relative_to(SHARE): path.read_bytes() for path in SHARE.rglob("*") if path.is_file()}
    assert made == kept, "run scripts/make_share"


@pytest.mark.parametrize("path", ["bash-completion/completions/graced", "zsh/site-functions/_graced"])
def test_completions_call_graced(path: str) -> None:
    assert "_GRACED_COMPLETE" in (SHARE / path).read_text()


def test_a_completion_answers_with_commands() -> None:
    environ = {"_GRACED_COMPLETE": "bash_complete", "COMP_WORDS": "graced sta", "COMP_CWORD": "1"}
    found = CliRunner().invoke(cli, [], prog_name="graced", env=environ)
    assert {line.partition(",")[2] for line in found.output.split()} == {"start", "status"}


def test_help_says_where_they_are() -> None:
    found = CliRunner().invoke(cli, ["--help"])
    assert f"man -M {SHARE}/man graced" in found.output
    assert "bash, zsh and fish" in found.output
