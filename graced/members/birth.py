"""What a newborn member is given."""

from msgspec import Struct

from graced.spec.config import Config
from graced.spec.playbook import Playbook


class Newborn(Struct, frozen=True):
    """`floor`: its incarnation is above; `fresh`: it is born in a first start.

    `config` is the spawner's, which is the one kept in the home: it is read and decoded once for all; `home_id`
    likewise.
    """

    role: str
    floor: int
    fresh: bool
    playbooks: dict[str, Playbook]
    config: Config
    home_id: str
