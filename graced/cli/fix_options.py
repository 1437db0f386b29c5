"""What `graced fix` goes by: the configuration, as far as it may be believed, and which files are meant."""

import os
import stat
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import click
from msgspec.structs import replace

from graced.cli.place import Place
from graced.control.errors import EX_USAGE, Refusal

if TYPE_CHECKING:
    from graced.spec.config import CodingAgent, Watch


class Setting(NamedTuple):
    """`kernels`: which Python runs what; `folder`: where programs of the configuration run."""

    agent: "CodingAgent"
    kernels: "tuple[Watch, ...]"
    home: str
    folder: str


def setting(place: Place) -> Setting:
    """What the configuration says; without one the defaults, and no YAML is read.

    Of a configuration that another user owns, or that others may write, no program is run: neither `verify`, nor an
    interpreter, nor a back end.
    """
    from graced.spec.config import DEFAULT_HOME, PLACES, CodingAgent

    given = place.config or os.environ.get("GRACED_CONFIG") or any(os.path.exists(path) for path in PLACES)
    if not given:
        home = os.path.abspath(place.home or os.environ.get("GRACED_HOME") or DEFAULT_HOME)
        return Setting(CodingAgent(), (), home, "/")
    loaded = place.load()
    config = loaded.config
    strange = next((path for path in loaded.files if not is_own(path)), None)
    if strange is not None:
        agent = config.coding_agent
        watch = tuple(replace(each, python=None) for each in agent.watch)
        named = agent.verify or agent.backend or watch != agent.watch or any(k.sources for k in config.kernels.values())
        if named:
            click.echo(f"{strange} belongs to another user, or others may write it: its programs are not run", err=True)
        return Setting(replace(agent, watch=watch, verify=None, backend=None), (), config.home, config.folder)
    from graced.home.paths import Home
    from graced.members.targets import targets

    return Setting(config.coding_agent, targets(Home(config.home), config), config.home, config.folder)


def is_own(path: str) -> bool:
    """Is the file the caller's own, or root's, and may nobody else write it?"""
    try:
        status = os.stat(path)
    except OSError:
        return False
    return status.st_uid in (0, os.geteuid()) and not status.st_mode & stat.S_IWOTH


def refuse_others(paths: Sequence[str]) -> None:
    """What is no Python would be made some: prose becomes comments. Said before anything is touched."""
    from graced.mending.walk import is_python

    others = [path for path in paths if not os.path.isdir(path) and not is_python(path)]
    if others:
        more = f" (and {len(others) - 1} more)" if len(others) > 1 else ""
        text = f"{others[0]}{more}: no Python file by its name or its #! line; --force mends it all the same"
        raise Refusal(text, EX_USAGE)


def files(paths: Sequence[str], exclude: tuple[str, ...], home: str) -> tuple[list[str], frozenset[str]]:
    """(the files as the person named them, folders walked but for graced's own home; each file once; those of them
    that are no walk's, but named)."""
    from graced.mending.put import MAX_FILE_BYTES
    from graced.mending.walk import sources

    barred = (home, os.path.realpath(home))
    found: dict[str, str] = {}
    named: set[str] = set()
    for path in paths:
        if os.path.isdir(path):
            top = os.path.abspath(path)
            for each in sources((path,), exclude, barred, only_ours=True):
                name = os.path.normpath(os.path.join(path, os.path.relpath(each, top)))
                if _size(each) > MAX_FILE_BYTES:
                    click.echo(f"{name}: larger than {MAX_FILE_BYTES} bytes: passed over", err=True)
                else:
                    found.setdefault(each, name)
        elif found.setdefault(os.path.abspath(path), path) == path:
            named.add(path)
    return list(found.values()), frozenset(named)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:  # whoever reads it will say so
        return 0
