"""What `graced start` leaves in the home for everyone who comes back: configuration, playbooks, environment, key.

Members never read graced.yaml, and kernels never get the environment of whoever happened to revive the spawner.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from graced.control.errors import EX_DATAERR, Mistakes
from graced.home import playbooks as kept
from graced.home.environment import for_kernels
from graced.home.kept import base_path, running_kernels
from graced.home.kept_files import KEY_BYTES
from graced.home.log_files import lock_path
from graced.home.paths import Home
from graced.home.stopping import make_spare
from graced.playbooks.actions import all_actions
from graced.playbooks.load import PlaybookError, load_all
from graced.posix.files import create_once, write_over
from graced.posix.padded_record import open_slot
from graced.spec.config import Config, to_json
from graced.spec.playbook import Playbook


def playbooks_of(config: Config) -> Iterable[Playbook]:
    """Shipped and users'. Raises Mistakes with every problem of every file."""
    try:
        return load_all(config.playbooks, all_actions()).values()
    except PlaybookError as error:
        raise Mistakes(error, EX_DATAERR) from None


def keep(home: Home, config: Config, playbooks: Iterable[Playbook], environ: Mapping[str, str]) -> None:
    """Makes the home and leaves in it all that members need. Raises OSError."""
    home.ensure()
    home.id()
    make_spare(home)
    os.close(open_slot(lock_path(home)))  # on a disk that is full by then it could not be made
    write_over(home.config, to_json(config))
    kept.write(home, playbooks)
    write_over(home.environ, json.dumps(for_kernels(environ)).encode())
    if not os.path.exists(home.key) or os.path.getsize(home.key) < KEY_BYTES:
        if os.path.exists(home.key):
            os.unlink(home.key)
        create_once(home.key, os.urandom(KEY_BYTES))


def keep_base(home: Home, incarnations: Mapping[str, int]) -> None:
    """Before a start from nothing: each member's last incarnation, so that `restarts` counts from there."""
    write_over(base_path(home), json.dumps(dict(incarnations)).encode(), durable=False)


def only(config: Config, names: Sequence[str]) -> Config:
    """The same with just these kernels to be started by themselves; replicas one by one."""
    kernels = running_kernels(config)
    chosen = {name: replace(kernel, replicas=1, autostart=name in names) for name, kernel in kernels.items()}
    left_out = tuple(name for name, kernel in kernels.items() if kernel.autostart and name not in names)
    return replace(config, kernels=chosen, left_out=left_out)


def autostarting(config: Config) -> list[str]:
    """The kernels that a start without names is for, whatever the start of this configuration was for."""
    kernels = running_kernels(config)
    return [
        n for n, kernel in kernels.items() if (kernel.autostart or n in config.left_out) and kernel.schedule is None
    ]
