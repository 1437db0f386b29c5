"""What a spawner reads at its birth: the playbooks kept in its home, and the shipped ones if nothing fit was kept."""

from graced.home import playbooks
from graced.home.paths import Home
from graced.spec.playbook import Playbook
from graced.spec.roles import RECOVERY_PLAYBOOKS

"""No recovery without these."""


def read(home: Home) -> dict[str, Playbook]:
    """By name. Raises PlaybookError when nothing fit was kept and the shipped ones are damaged."""
    found = playbooks.read(home)
    if all(name in found for name in RECOVERY_PLAYBOOKS):
        return found
    from graced.playbooks.load import shipped  # YAML: only for a home whose file is gone, or of another version

    return {**shipped(), **found}
