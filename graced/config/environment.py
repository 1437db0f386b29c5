"""The environment of a kernel, as the configuration makes it of the inherited one. Light: members import this."""

from collections.abc import Mapping

from graced.config.env_file import read_env_file
from graced.spec.config import Kernel


def environment_of(base: Mapping[str, str], kernel: Kernel) -> dict[str, str]:
    """`base` with what `env_file` says over it, and `env` over both. Raises OSError or ValueError for a bad file."""
    return {**base, **(read_env_file(kernel.env_file) if kernel.env_file else {}), **kernel.env}
