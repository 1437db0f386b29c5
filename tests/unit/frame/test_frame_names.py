"""Paths and names in ARCHITECTURE.md and the documents exist; file names tell packages apart."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from frame_kit import PACKAGE, ROOT, modules

PAGES = [ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
CODE = re.compile(r"`([^`\n]+)`")
FILE = re.compile(r"[\w./-]+\.(?:py|md|yaml|service|conf|toml)\Z")
FOLDER = re.compile(r"(?:graced|tests|scripts|docs|playbooks|systemd|\.ci)/[\w./-]*\Z")
DOTTED = re.compile(r"(\w+)\.(\w+)\Z")

FILE_ENDS = ("yaml", "service", "conf", "log", "lock")

OF_USERS = re.compile(r"graced\.yaml|\w*\.service|(?:shop|web|worker|drain|user)\.\w+|\.github")
"""Names of files that are not in this repository but at its users'."""


def words(page: Path) -> list[str]:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return [word for code in CODE.findall(text) for word in re.split(r"[\s,;()]+", code) if word]


def candidates(page: Path, word: str) -> Iterator[Path]:
    """Where a path may be meant to lead: from the top, from graced/, from beside the page."""
    yield from (ROOT / word, PACKAGE / word, page.parent / word)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_exist(page: Path) -> None:
    named = [w for w in words(page) if (FILE.match(w) or FOLDER.match(w)) and not OF_USERS.match(Path(w).name)]
    named = [word for word in named if not word.startswith("/")]
    missing = [word for word in named if not any(path.exists() for path in candidates(page, word))]
    there = {path.name for folder in ("graced", "tests", "systemd", "playbooks") for path in (ROOT / folder).rglob("*")}
    # Beside a file of the same folder only the name is written: `a/b.py`, `c.py`.
    assert [word for word in missing if "/" in word or word not in there] == []


def defined() -> set[str]:
    """Names that stand in a module at its top, and names of modules."""
    found: set[str] = set()
    for module, tree in modules().items():
        found.add(module.rpartition(".")[2])
        for node in ast.walk(tree):
            match node:
                case ast.FunctionDef() | ast.ClassDef():
                    found.add(node.name)
                case ast.Assign(targets=targets):
                    found |= {target.id for target in targets if isinstance(target, ast.Name)}
                case ast.AnnAssign(target=ast.Name(id=name)):
                    found.add(name)
    return found


def test_functions_and_classes_that_architecture_names_exist() -> None:
    known = defined()
    missing = []
    for word in words(ROOT / "ARCHITECTURE.md"):
        called = re.fullmatch(r"(\w+)\(\)", word)
        dotted = DOTTED.fullmatch(word)
        if called and called[1] not in known:
            missing.append(word)
        if dotted and dotted[1] in known and f"{dotted[1]}.py" in {path.name for path in PACKAGE.rglob("*.py")}:
            missing += [] if dotted[2] in known or dotted[2] in ("py", "json", "yaml") else [word]
    assert missing == []


def test_docstrings_name_modules_and_tests_that_exist() -> None:
    paths = re.compile(r"`{0,2}((?:graced|tests)/[\w/]+\.py|graced(?:\.[a-z_]\w*)+)`{0,2}")
    known = set(modules())
    missing = []
    for module, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                for word in paths.findall(node.value):
                    parts = word.split(".")
                    there = (ROOT / word).exists() if "/" in word else word in known or ".".join(parts[:-1]) in known
                    if not there and parts[-1] not in FILE_ENDS:
                        missing.append(f"{module}: {word}")
    assert missing == []


def test_the_package_is_typed_for_those_who_import_it() -> None:
    assert (PACKAGE / "py.typed").exists()
