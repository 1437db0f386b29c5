"""Why a broken file is not graced's to mend, seen before the repair is searched: what its project says, its place, and
what lies around it. What its text says is the engine's (graced.repair.aside).
"""

import os
import re
from typing import Final, Literal

from msgspec import Struct

from graced.mending.generated import made_from
from graced.mending.meant_for import meant_for
from graced.mending.not_ours import TESTS, is_bought_in
from graced.mending.repository import repository_of

TEST: Final = re.compile(r"test_.*\.py|.*_test\.py")
FOLDERS: Final = 4
"""Of a file in no repository, the folders above it that tell what it is."""
AMBIGUOUS: Final = frozenset({"env", "build", "dist"})
"""Names that say something within a project alone: `/build` may be where a container keeps its program."""


class Reason(Struct, frozen=True):
    """`leave`: nothing is looked for. `suggest`: a person sees the repair first; not where the file compiled before."""

    how: Literal["leave", "suggest"]
    why: str
    unless_it_compiled: bool = False


def reason(path: str, source: bytes, named_python: bool, met: bool = False) -> Reason | None:
    """None: it may be mended. `named_python`: the configuration says which Python runs the file. `met`: a walk of what
    a person named came to it, so that its folders are none that walks leave out."""
    said = None if named_python else meant_for(path, source)
    if said is not None:
        return Reason("leave", f"{said}: say by coding_agent.watch, as {{path, python}}, which Python runs it")
    folders, _ = place_of(path)
    if not met and is_bought_in(folders):
        return Reason("suggest", "it belongs to what was installed or built")
    origin = made_from(path)
    if origin is not None:
        return Reason("suggest", f"it is generated: mend {origin} instead")
    if _is_data(path, folders):
        return Reason("suggest", "it stands among what tests read, and may be broken on purpose", True)
    return None


def name_for_engine(path: str, met: bool, compiled: bool) -> str:
    """What the engine is told of where the file is: it leaves alone what its name says is broken on purpose. Nothing,
    where the file `compiled` before; and only its own name where a walk came to it, and so its folders are no matter.
    """
    folders, name = place_of(path)
    name = PLAIN if compiled or ONE_WORD.fullmatch(name) else name
    return name if met or compiled else "/".join([*folders, name])


PLAIN: Final = "module.py"
ONE_WORD: Final = re.compile(r"(?!bad_?syntax)(?:bad|broken|invalid|malformed)[a-z0-9]*\.pyi?", re.I)
"""Names such as `badge.py` and `broken.py`: of one word, which says nothing of a purpose."""


def _is_data(path: str, folders: list[str]) -> bool:
    """Does it stand below a folder of tests, in one that is no package and holds no test?"""
    if TESTS.isdisjoint(folders[:-1]):
        return False
    try:
        names = os.listdir(os.path.dirname(os.path.realpath(path)))
    except OSError:
        return False
    return not any(name in ("__init__.py", "conftest.py") or TEST.fullmatch(name) for name in names)


def place_of(path: str) -> tuple[list[str], str]:
    """(the folders that tell what the file is, outermost first; its name). If it has a repository: those within."""
    whole = os.path.realpath(path)
    repository = repository_of(whole)
    within = whole if repository is None else os.path.relpath(whole, repository.top)
    *folders, name = within.split(os.sep)
    return (folders if repository is not None else [f for f in folders[-FOLDERS:] if f not in AMBIGUOUS]), name
