"""The playbooks of a home, checked once at `graced start` and kept there: members need no YAML to be born.

Who must have the shipped two even when nothing fit was kept reads by `graced.playbooks.at_birth`.
"""

from collections.abc import Iterable

import msgspec

from graced.home.paths import Home
from graced.posix.files import read_small, write_over
from graced.posix.undecodable import UNDECODABLE
from graced.spec.playbook import Playbook


def write(home: Home, playbooks: Iterable[Playbook]) -> None:
    """Keeps the playbooks in the home. Raises OSError."""
    write_over(home.playbooks, msgspec.json.encode(list(playbooks)))


def read(home: Home) -> dict[str, Playbook]:
    """The playbooks that were kept, by name; {} when the file is gone, or of another version."""
    try:
        return {p.name: p for p in msgspec.json.decode(read_small(home.playbooks), type=list[Playbook])}
    except (OSError, *UNDECODABLE):
        return {}
