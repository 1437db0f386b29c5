"""For which Python the sources of a kernel must compile: the one that runs it."""

import os
import re
from typing import Final

from graced.config.environment import environment_of
from graced.home.paths import Home
from graced.members.launching import inherited
from graced.posix.spawn import resolve
from graced.spec.config import Config, Kernel, Watch
from graced.spec.replicas import expand_replicas

HEAD_BYTES: Final = 256
_PYTHON: Final = re.compile(r"(?:python|pypy)[0-9.]*t?\Z")


def targets(home: Home, config: Config) -> tuple[Watch, ...]:
    """(path, interpreter) for what is in `sources` of a kernel whose command is a Python, or a script of one.

    Of a command that cannot be found nothing is said: such a kernel does not start either.
    """
    base: dict[str, str] | None = None
    found: list[Watch] = []
    for kernel in expand_replicas(config).values():
        if not kernel.sources:
            continue
        base = inherited(home) if base is None else base
        python = interpreter_of(kernel, base)
        if python is not None:
            found += [Watch(path, python) for path in kernel.sources]
    return tuple(found)


def interpreter_of(kernel: Kernel, base: dict[str, str]) -> str | None:
    """The Python that the kernel's command begins with, found as the kernel's birth finds it; `base`: as inherited."""
    try:
        command = resolve(kernel.command[0], environment_of(base, kernel), kernel.cwd)
    except (OSError, ValueError):  # no such command, or an env_file that cannot be read
        return None
    if _PYTHON.match(os.path.basename(command)):
        return command
    words = list(kernel.command) if os.path.basename(command) == "env" else _shebang(command)
    if words and os.path.basename(words[0]) == "env":
        named = next((word for word in words[1:] if not word.startswith("-") and "=" not in word), "")
        try:
            words = [resolve(named, environment_of(base, kernel), kernel.cwd)]
        except (OSError, ValueError):
            return None
    return words[0] if words and _PYTHON.match(os.path.basename(words[0])) else None


def _shebang(path: str) -> list[str]:
    """The interpreter that a script names, and its words; empty for what is none."""
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError:
        return []
    words = os.fsdecode(head[2:].partition(b"\n")[0]).split() if head.startswith(b"#!") else []
    return words if words and words[0].startswith("/") else []
