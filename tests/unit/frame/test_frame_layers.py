"""Which package may import which: the table in ARCHITECTURE.md is the rule, and the code is held to it."""

import re
import subprocess
import sys
from functools import cache
from itertools import pairwise

import pytest
from frame_kit import PACKAGE, ROOT, imports, modules, package_of

ALL_BELOW = "all below"
NOTHING = "nothing of ours"
PACKAGES = sorted(path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists())

NOT_IN_MEMBERS = {"click", "rich", "asyncio", "dataclasses", "yaml", "pathspec", "unittest"}
"""Too heavy, or too slow, for a process that seven of are kept."""


@cache
def allowed() -> dict[str, str]:
    """The last column of the table by package, from the highest to the lowest."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    table = text.split("## The packages", 1)[1].split("\n## ", 1)[0]
    rows: dict[str, str] = {}
    for names, imported in re.findall(r"^\| (`graced/.*?) \|.*\| (.*?) \|$", table, re.M):
        rows |= dict.fromkeys(re.findall(r"`graced/(\w+)`", names), imported)
    return rows


@cache
def actual() -> dict[str, dict[str, list[str]]]:
    """package -> imported package -> where."""
    found: dict[str, dict[str, list[str]]] = {package: {} for package in PACKAGES}
    for module, tree in modules().items():
        here = package_of(module)
        for imported in imports(tree):
            there = package_of(imported)
            if here in found and there in found and there != here:
                found[here].setdefault(there, []).append(f"{module} imports {imported}")
    return found


def test_every_package_stands_in_the_table() -> None:
    assert sorted(allowed()) == PACKAGES


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_what_the_table_says_and_no_more(package: str) -> None:
    rows = list(allowed())
    below = rows[rows.index(package) + 1 :]
    said = allowed()[package]
    may = below if said == ALL_BELOW else [] if said == NOTHING else said.split(", ")
    assert [name for name in may if name not in below] == [], "imports run downwards"
    wrong = {there: where for there, where in actual()[package].items() if there not in may}
    assert wrong == {}
    if said != ALL_BELOW:
        assert sorted(may) == sorted(actual()[package]), "the table says more than is so"


def test_the_table_is_in_order() -> None:
    rows = list(allowed())
    assert len(rows) == len(set(rows)) and all(a != b for a, b in pairwise(rows))


def test_what_members_load_stays_small() -> None:
    code = (
        "import sys\nfrom graced.members import process, spawner\nprocess.preload()\n"
        f"print(*sorted({NOT_IN_MEMBERS!r} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == []
