"""Does `coding_agent.exclude` leave a path out? A scan never meets such files; a traceback may name one."""

import os
from typing import TYPE_CHECKING

from graced.core.kernels.ladder import inside
from graced.mending.not_ours import is_bought_in, is_fixture_folder, lead_of
from graced.spec.config import Config

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec


def is_excluded(path: str, config: Config, sources: tuple[str, ...]) -> bool:
    """As gitignore(5), relative to every watched path and every one of `sources` that it is in, and to the folder of
    the configuration.

    A file that is itself watched was named by a person: no pattern bars it, as in a scan.
    """
    agent = config.coding_agent
    watched = tuple(watch.path for watch in agent.watch)
    if path in watched:
        return False
    from graced.mending import walk

    if is_not_ours(path, (*watched, *sources), agent.exclude):
        return True
    if not agent.exclude:
        return False

    spec = walk.spec_of(agent.exclude)
    for root in (*watched, *sources, config.folder):
        base = os.path.join(os.path.dirname(root) if path == root else root, "")
        if path.startswith(base) and spec.match_file(path[len(base) :]):
            return True
    return False


def is_not_ours(path: str, roots: tuple[str, ...], exclude: tuple[str, ...]) -> bool:
    """Is it installed, built or a fixture of tests, so that a scan of none of the roots that hold it meets it?"""
    from graced.mending import walk

    holding = [root.rstrip("/") for root in roots if inside(path, (root,))]
    spec = walk.spec_of(exclude) if exclude else None
    return bool(holding) and all(_is_left_out(path, root, spec) for root in holding)


def _is_left_out(path: str, root: str, spec: "GitIgnoreSpec | None") -> bool:
    *folders, _ = os.path.relpath(path, root).split(os.sep)
    taken_in = False
    for at, name in enumerate(folders):
        inside = "/".join(folders[: at + 1])
        if is_bought_in([name]) or (not taken_in and is_fixture_folder(lead_of(root) + inside)):
            if spec is None or spec.check_file(inside + "/").include is not False:
                return True
            taken_in = True
    return False


def is_barred(path: str, config: Config, sources: tuple[str, ...]) -> bool:
    """Is it excluded, or in no watched path and none of `sources` (any more)?"""
    both = (path, os.path.realpath(path))
    return not is_within(path, config, sources) or any(is_excluded(each, config, sources) for each in both)


def is_within(path: str, config: Config, sources: tuple[str, ...]) -> bool:
    """Is it in a watched path or one of `sources`, by its name or by what that leads to?"""
    roots = (*sources, *(watch.path for watch in config.coding_agent.watch))
    return inside(path, roots) or inside(os.path.realpath(path), tuple(os.path.realpath(root) for root in roots))
