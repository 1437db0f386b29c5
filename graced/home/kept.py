"""Reading what `graced start` left in the home (`keep` writes it). Light: every command imports this."""

import os
from typing import Final

import msgspec

from graced.home.paths import Home
from graced.posix.files import read_small
from graced.posix.undecodable import UNDECODABLE
from graced.spec.config import Config, Kernel, from_json
from graced.spec.replicas import expand_replicas

KEY_MAX_BYTES: Final = 64
"""As much of a key as BLAKE2b takes."""


def kept_config(home: Home) -> Config:
    """The configuration that was loaded by the last start; defaults without kernels when there is none to be read."""
    try:
        return from_json(read_small(home.config))
    except (OSError, *UNDECODABLE):
        return Config(home=home.root)


def kept_environ(home: Home) -> dict[str, str] | None:
    """The environment of the `graced start` that started the home; None when there is none to be read."""
    try:
        return msgspec.json.decode(read_small(home.environ), type=dict[str, str])
    except (OSError, *UNDECODABLE):
        return None


def running_kernels(config: Config) -> dict[str, Kernel]:
    """Every kernel by the name under which it runs, replicas one by one; {} where names clash (`load` refuses that)."""
    try:
        return expand_replicas(config)
    except ValueError:
        return {}


def read_base(home: Home) -> dict[str, int]:
    """Each member's incarnation before the last start from nothing; {} where that is not known."""
    try:
        return msgspec.json.decode(read_small(base_path(home)), type=dict[str, int])
    except (OSError, *UNDECODABLE):
        return {}


def read_key(home: Home) -> bytes:
    """What leases are signed with. Raises OSError."""
    return read_small(home.key)[:KEY_MAX_BYTES]


def base_path(home: Home) -> str:
    return os.path.join(home.root, "base")
