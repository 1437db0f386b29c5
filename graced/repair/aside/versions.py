"""Python 2 that says so. (Syntax of newer Pythons: `graced.repair.newer`.)"""

import re
from pathlib import PurePosixPath
from typing import Final

_SHEBANG: Final = re.compile(r"#![^\r\n]*\b(?:python2(?:\.\d+)?|jython|ironpython|ipy)\b")
_NAME: Final = re.compile(r"(?:^|[_.-])(?:py|python)2\d?(?:[_.-]|$)", re.IGNORECASE)
_SAYS: Final = re.compile(
    r"(?:only|just|imported|used|works?|runs?|written|code|requires?|needs?)"
    r"[^\n]{0,30}\b(?:Python|py)[ ]?2(?:\.\d)?(?![\w.]*[ ]?(?:and|or|/|,|\+|-)[ ]?3)\b"
    r"|\bPython 2(?:\.\d)? only\b|Programming Language :: Python :: 2 :: Only",
    re.IGNORECASE,
)
_CLASSIFIER: Final = re.compile(r"Programming Language :: Python :: (\d)")
_REQUIRES: Final = re.compile(r"python_requires[ \t]*=[ \t]*[\"'][^\"']*<[ \t]*3")
_SYNTAX: Final = re.compile(
    r"^[ \t]*(?:print(?:[ \t]+[^\s(=.,]|[ \t]*>>)|exec[ \t]+\w|raise[ \t]+[\w.\[\]()]+[ \t]*,|"
    r"except[ \t]+[\w.(), ]+,[ \t]*\w+[ \t]*:)|\b\d+L\b|`\w+`|<>",
    re.MULTILINE,
)
_INSTALLED: Final = frozenset(("site-packages", "dist-packages", "node_modules", ".tox", ".nox", ".venv"))
HEAD_CHARS: Final = 1500


def says_python2(path: str, text: str) -> str | None:
    """A file that names Python 2 as what runs it, and has its syntax; not one that merely has it."""
    if _SHEBANG.match(text):
        return "its first line says that Python 2 runs it"
    if not _SYNTAX.search(text):
        return None
    if _INSTALLED.intersection(PurePosixPath(path).parts):
        return "it is an installed package's, for Python 2"
    if any(_NAME.search(part) for part in PurePosixPath(path).parts[-3:]):
        return "it is for Python 2, by its name"
    comments = "\n".join(
        line for line in text[:HEAD_CHARS].splitlines() if line.lstrip().startswith(("#", '"""', "'''"))
    )
    if _SAYS.search(comments) or _REQUIRES.search(text):
        return "it says that it is for Python 2"
    classifiers = set(_CLASSIFIER.findall(text))
    return "it says that it is for Python 2" if classifiers == {"2"} else None
