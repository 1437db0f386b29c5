"""Does `coding_agent.exclude` leave a path out? A scan never meets such files; a traceback may name one."""

import os

from graced.core.kernels.ladder import inside
from graced.spec.config import Config


def is_excluded(path: str, config: Config, sources: tuple[str, ...]) -> bool:
    """As gitignore(5), relative to every watched path and every one of `sources` that it is in, and to the folder of
    the configuration.

    A file that is itself watched was named by a person: no pattern bars it, as in a scan.
    """
    agent = config.coding_agent
    watched = tuple(watch.path for watch in agent.watch)
    if not agent.exclude or path in watched:
        return False
    from graced.mending import walk

    spec = walk.spec_of(agent.exclude)
    for root in (*watched, *sources, config.folder):
        base = os.path.join(os.path.dirname(root) if path == root else root, "")
        if path.startswith(base) and spec.match_file(path[len(base) :]):
            return True
    return False


def is_barred(path: str, config: Config, sources: tuple[str, ...]) -> bool:
    """Is it excluded, or in no watched path and none of `sources` (any more)?"""
    both = (path, os.path.realpath(path))
    return not is_within(path, config, sources) or any(is_excluded(each, config, sources) for each in both)


def is_within(path: str, config: Config, sources: tuple[str, ...]) -> bool:
    """Is it in a watched path or one of `sources`, by its name or by what that leads to?"""
    roots = (*sources, *(watch.path for watch in config.coding_agent.watch))
    return inside(path, roots) or inside(os.path.realpath(path), tuple(os.path.realpath(root) for root in roots))
