"""Whose a home is, and who may act on it.

The files of a home are its owner's, whoever asks: what root makes in a user's home, by one `sudo graced stop`, that
user's members can neither read nor lock. So root becomes the owner for every command but `start`, whose kernels would
be started with root's environment; another user is refused with the command to use.
"""

import contextlib
import importlib
import os
import pkgutil
import pwd
from typing import Final

from graced.control.errors import Refusal
from graced.home.paths import Home

ROOT: Final = 0
PACKAGES: Final = (
    "graced.cli",
    "graced.control",
    "graced.status",
    "graced.home",
    "graced.bus",
    "graced.store",
    "graced.audit",
)


def act_as_owner(home: Home, words: str) -> None:
    """Before anything in the home is touched. words: the command, such as `start`. Raises Refusal."""
    owner = _owner(home)
    if owner is None or owner.st_uid == os.geteuid():
        return
    if os.geteuid() != ROOT or words == "start":
        name = _name(owner.st_uid)
        raise Refusal(f"{home.root} belongs to {name}: use `sudo -u {_sudo_name(owner.st_uid)} graced {words}`")
    _load_all()
    _become(owner.st_uid, owner.st_gid, home)


def _owner(home: Home) -> os.stat_result | None:
    """Of run/, which graced makes itself: the folder around it may be made by others. None before the first start."""
    try:
        return os.stat(home.run)
    except PermissionError:  # the folder of the home is closed to us: it is its owner's
        return os.stat(home.root)
    except OSError:
        return None


def _load_all() -> None:
    """Every module of ours that a command may import later: root's installation may be closed to the owner of the
    home."""
    with contextlib.suppress(ImportError):
        importlib.import_module("psutil")
    for package in PACKAGES:
        folder = importlib.import_module(package)
        for module in pkgutil.iter_modules(folder.__path__, f"{package}."):
            with contextlib.suppress(ImportError):
                importlib.import_module(module.name)


def _become(uid: int, gid: int, home: Home) -> None:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:  # a number without a name, as in a container
        entry = None
    try:
        if entry is not None:
            os.initgroups(entry.pw_name, entry.pw_gid)
            gid = entry.pw_gid
            os.environ.update(HOME=entry.pw_dir, USER=entry.pw_name, LOGNAME=entry.pw_name)
        else:
            os.setgroups([gid])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    except OSError as error:
        raise Refusal(
            f"{home.root} belongs to {_name(uid)}; to become that user is refused: {error.strerror}"
        ) from None


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _sudo_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"'#{uid}'"
