"""The playbooks of a home, checked once at `graced start` and kept there: members need no YAML to be born.

The shipped two are always there: a home whose file is gone, or is another version's, falls back to reading them.
"""

from collections.abc import Iterable

import msgspec

from graced.home.paths import Home
from graced.posix.files import read_small, write_over
from graced.posix.undecodable import UNDECODABLE
from graced.spec.playbook import Playbook
from graced.spec.roles import EMERGENCY_PLAYBOOK, MUTUAL_PLAYBOOK

NEEDED = (MUTUAL_PLAYBOOK, EMERGENCY_PLAYBOOK)


def write(home: Home, playbooks: Iterable[Playbook]) -> None:
    """Raises OSError."""
    write_over(home.playbooks, msgspec.json.encode(list(playbooks)))


def read(home: Home) -> dict[str, Playbook]:
    """By name; the shipped ones, from their YAML, where nothing fit was kept."""
    try:
        found = {p.name: p for p in msgspec.json.decode(read_small(home.playbooks), type=list[Playbook])}
    except (OSError, *UNDECODABLE):
        found = {}
    if all(name in found for name in NEEDED):
        return found
    from graced.playbooks.load import shipped

    return {**shipped(), **found}
