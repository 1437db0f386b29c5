"""By its path alone: is a file somebody else's, or broken on purpose? Installed packages, builds, fixtures of tests.

Such files are never met by a scan; who names one gets a suggestion. `!build/` in `coding_agent.exclude` takes a folder
back in. What a person named as a root is meant, whatever it is called.
"""

import re
from typing import Final

INSTALLED: Final = frozenset(
    {".venv", "venv", "env", "node_modules", ".tox", ".nox", "build", "dist", "site-packages", ".eggs", "__pycache__"}
    | {"dist-packages", "__pypackages__"}
)
"""Names of folders in which nobody writes by hand."""

FIXTURES: Final = frozenset(
    {"fixtures", "fixture", "__fixtures__", "testdata", "test_data", "test-data", "test_fixtures", "test-fixtures"}
    | {"__snapshots__", "goldens"}
)
"""Names of folders that hold what tests read, wherever they are."""

TESTS: Final = frozenset({"test", "tests", "testing", "testsuite", "test_suite", "__tests__"})

DATA: Final = re.compile(
    r"(?:.*[-_.])?(?:\w*data|cases|resources?|samples?|examples?|inputs?|outputs?|expected|golden|invalid|valid|broken|bad"
    r"|snippets?|corpus|assets|files|errors?|crashers)"
)
"""Names of folders that hold what tests read, below a folder of tests."""

ON_PURPOSE: Final = re.compile(r"(?:bad|badsyntax|invalid|broken)[-_].*|.*[-_]?syntax_?error|.*[-_]bad_?syntax")
"""Names of modules that are broken on purpose."""


def is_bought_in(folders: list[str]) -> bool:
    """Is a file below these folders part of what was installed or built?"""
    return not INSTALLED.isdisjoint(folders) or any(name.endswith((".egg", ".egg-info")) for name in folders)


def is_fixture_folder(name: str, below_tests: bool) -> bool:
    return name in FIXTURES or (below_tests and DATA.fullmatch(name) is not None)


def is_tests_folder(name: str) -> bool:
    return name in TESTS


def is_fixture(folders: list[str], name: str) -> bool:
    """Is the file called `name` below these folders, outermost first, one that tests read?"""
    below_tests = False
    for folder in folders:
        if is_fixture_folder(folder, below_tests):
            return True
        below_tests = below_tests or is_tests_folder(folder)
    return is_on_purpose(name)


def is_on_purpose(name: str) -> bool:
    """Does the name of a file say that it is broken?"""
    return ON_PURPOSE.fullmatch(name.rpartition(".")[0].lower()) is not None
