"""For which Python a file is, by what its project says: its #! line, .python-version, requires-python.

Only asked where the configuration names no interpreter. What is for a newer Python than ours, or for Python 2, is not
judged by ours. An older Python 3 is no matter: what it takes, ours takes.
"""

import os
import re
import sys
from typing import Any, Final

from graced.mending.repository import UP_MAX

HEAD_BYTES: Final = 256 * 1024
Version = tuple[int, int]

_SHEBANG: Final = re.compile(rb"(?:\xef\xbb\xbf)?#![^\r\n]*\b(?:python|pypy)(\d)(?:\.(\d{1,3}))?\b")
_VERSION: Final = re.compile(r"\s*[A-Za-z-]*?(\d{1,2})(?:\.(\d{1,3}))?")
_CLAUSE: Final = re.compile(r"\s*(>=|<=|==|~=|!=|>|<|\^|~|=)?\s*(\d+)(?:\.(\d+|\*))?[\w.*+!-]*\s*")
_IN_SETUP_CFG: Final = re.compile(r"^python_requires[ \t]*=[ \t]*([^#;\r\n]+)", re.M)
_IN_SETUP: Final = re.compile(r"""python_requires\s*=\s*(["'])(.{1,200}?)\1""")


def meant_for(path: str, source: bytes, ours: Version = sys.version_info[:2]) -> str | None:
    """Who says that the file is for a Python that ours cannot judge, and for which; None when nobody does."""
    match = _SHEBANG.match(source)
    if match is not None:
        wanted = int(match[1]), int(match[2] or 0)
        return (
            f"its first line asks for Python {_text(wanted, match[2] is not None)}" if _beyond(wanted, ours) else None
        )
    folder = os.path.dirname(os.path.realpath(path))
    for _ in range(UP_MAX):
        said = _said_in(folder, ours)
        if said is not None:
            return said or None
        above = os.path.dirname(folder)
        if above == folder or os.path.lexists(os.path.join(folder, ".git")):
            break
        folder = above
    return None


def _said_in(folder: str, ours: Version) -> str | None:
    """What this folder's files say against our Python, "" when they say that ours will do, None when they say
    nothing."""
    answer: str | None = None
    for name, versions_in in ((".python-version", _pinned), ("pyproject.toml", _project), ("setup.cfg", _setup_cfg),
                              ("setup.py", _setup_py)):  # fmt: skip
        text = _head(os.path.join(folder, name))
        if text is None:
            continue
        try:
            wanted = versions_in(text)
        except (ValueError, AttributeError, TypeError):
            continue
        if wanted is None:
            continue
        if _beyond(wanted, ours):
            return f"{name} says that it is for Python {_text(wanted)}"
        answer = ""
    return answer


def _beyond(wanted: Version, ours: Version) -> bool:
    return wanted > ours or wanted[0] < 3


def _text(version: Version, whole: bool = True) -> str:
    return f"{version[0]}.{version[1]}" if whole else str(version[0])


def _head(path: str) -> str | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(fd, "rb") as file:
            return file.read(HEAD_BYTES).decode("utf-8", "replace")
    except OSError:
        return None


def _pinned(text: str) -> Version | None:
    """Of pyenv and uv: the first line that names a version."""
    for line in text.splitlines():
        match = _VERSION.match(line) if not line.lstrip().startswith("#") else None
        if match is not None:
            return int(match[1]), int(match[2] or 0)
    return None


def _project(text: str) -> Version | None:
    import tomllib

    found: Any = tomllib.loads(text)
    said = found.get("project", {}).get("requires-python")
    if said is None:
        said = found.get("tool", {}).get("poetry", {}).get("dependencies", {}).get("python")
        said = said.get("version") if isinstance(said, dict) else said
    return least_of(said) if isinstance(said, str) else None


def _setup_cfg(text: str) -> Version | None:
    match = _IN_SETUP_CFG.search(text)
    return least_of(match[1]) if match is not None else None


def _setup_py(text: str) -> Version | None:
    match = _IN_SETUP.search(text)
    if match is not None:
        return least_of(match[2])
    languages = re.findall(r"Programming Language :: Python :: (\d)", text)
    return (2, 7) if languages and set(languages) == {"2"} else None


def least_of(specifier: str) -> Version | None:
    """The least Python that a version specifier (PEP 440, and poetry's ^ and ~) allows; (2, 7) where all of Python 3 is
    shut out; None where it sets no lower limit."""
    least: list[Version] = []
    for part in specifier.split("||"):
        low: Version | None = None
        for clause in part.split(","):
            match = _CLAUSE.fullmatch(clause)
            if match is None:
                continue
            version = int(match[2]), int(match[3]) if match[3] not in (None, "*") else 0
            if match[1] in ("<", "<=") and version < (3, 0 if match[1] == "<=" else 1):
                return (2, 7)
            if match[1] in (">=", ">", "==", "~=", "^", "~", "=", None):
                low = max(low or version, version)
        if low is None:
            return None
        least.append(low)
    return min(least) if least else None
