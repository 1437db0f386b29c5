"""What README and docs say is what the code does, as far as a machine can tell."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from graced.cli.root import COMMANDS, cli
from graced.config.load import load
from graced.playbooks.load import load_text, shipped
from graced.playbooks.table import STEP
from graced.spec.actions import BUILT_IN
from graced.spec.playbook import NOT_YET, TRIGGERS
from graced.spec.roles import RECOVERY_PLAYBOOKS

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / page).read_text(encoding="utf-8"), re.M | re.S)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_the_configuration_in_readme_is_valid(tmp_path: Path) -> None:
    (text,) = blocks("README.md", "yaml")
    (tmp_path / "graced.yaml").write_text(text, encoding="utf-8")
    assert sorted(load(str(tmp_path / "graced.yaml"), {}).kernels) == ["web", "worker"]


def test_the_playbook_in_docs_is_valid() -> None:
    text, triggers = blocks("docs/playbooks.md", "yaml")
    assert len(load_text(text, "drain.yaml").steps) == 4
    named = load_text(f"name: p\n{triggers}\nsteps: [{{name: s, uses: audit}}]\n", "on.yaml").on
    assert [trigger.name for trigger in named] == ["kernel.crashed", "member.down"]


def test_the_page_of_playbooks_names_every_action_key_and_trigger() -> None:
    text = (ROOT / "docs" / "playbooks.md").read_text(encoding="utf-8")
    of_recoveries = {step.uses for name in RECOVERY_PLAYBOOKS for step in shipped()[name].steps}
    assert [name for name in BUILT_IN if f"`{name}`" not in text and name not in of_recoveries] == []
    assert [name for name in (*TRIGGERS, *NOT_YET) if f"`{name}`" not in text] == []
    assert [name for name in STEP.keys if f"`{name}`" not in text] == []


def test_the_page_of_keys_is_up_to_date() -> None:
    words = [sys.executable, str(ROOT / "scripts" / "describe_keys"), "--check"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_readme_tells_of_every_command() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    there = [name for name in COMMANDS if cli.get_command(None, name) is not None]  # type: ignore[arg-type]
    assert [name for name in there if f"`graced {name}" not in text] == []


def test_the_first_screen_is_a_transcript_of_the_tour() -> None:
    transcript = blocks("README.md", "console")[1].splitlines()
    assert transcript[0] == "$ ./scripts/demo"
    assert transcript[1].startswith("started 7 members and 3 kernels")
    assert transcript[-1].startswith("all 9 recovered")
    assert len(transcript) <= 31
