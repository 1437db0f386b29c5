"""By its path alone: is a folder somebody else's, or does it hold what tests read? Walks pass over such folders.

Who names a file in one gets a suggestion. `!build/` in `coding_agent.exclude` takes a folder back in. What a person
named as a root is meant, whatever it is called.
"""

import os
from typing import Final

INSTALLED: Final = frozenset(
    {".venv", "venv", "env", "node_modules", ".tox", ".nox", "build", "dist", "site-packages", ".eggs", "__pycache__"}
    | {"dist-packages", "__pypackages__"}
)
"""Names of folders in which nobody writes by hand."""

TESTS: Final = frozenset({"test", "tests", "testing", "testsuite", "test_suite", "__tests__"})


def is_bought_in(folders: list[str]) -> bool:
    """Is a file below these folders part of what was installed or built?"""
    return not INSTALLED.isdisjoint(folders) or any(name.endswith((".egg", ".egg-info")) for name in folders)


def is_fixture_folder(folder: str) -> bool:
    """Does a folder, given relative to what is watched, hold what tests read?"""
    from graced.repair.aside.intended import is_broken_on_purpose

    return is_broken_on_purpose(f"{folder}/x.py", "") is not None


def lead_of(root: str) -> str:
    """What to put before a path within `root` to tell what it is: the name of the root, and its slash, if that is a
    folder of tests; else nothing, as a root is meant."""
    name = os.path.basename(root)
    return f"{name}/" if name in TESTS else ""
