"""Users and groups by name or number."""

import errno
import grp
import os
import pwd
from typing import NamedTuple


class Credentials(NamedTuple):
    """Who a process is to be; `groups` are the supplementary ones."""

    uid: int
    gid: int
    groups: list[int]


def credentials(user: str | None, group: str | None) -> Credentials | None:
    """Looks both up. None when that is who we are already, so that no privilege is needed.

    A user without a group gets the primary group and all others of that user. OSError with a sentence otherwise.
    """
    if user is None and group is None:
        return None
    entry = None if user is None else _user(user)
    uid = os.geteuid() if user is None else entry.pw_uid if entry else int(user)
    if group is not None:
        gid = _group(group)
    elif entry is not None:
        gid = entry.pw_gid
    else:
        raise OSError(errno.EINVAL, f"user {user}: has no entry, so `group` must be given")
    if os.geteuid() != 0 and (uid, gid) == (os.geteuid(), os.getegid()):
        return None
    groups = [gid] if entry is None else os.getgrouplist(entry.pw_name, gid)
    return Credentials(uid, gid, groups)


def _user(user: str) -> pwd.struct_passwd | None:
    """The entry; None for a number without one."""
    try:
        return pwd.getpwuid(int(user)) if user.isdecimal() else pwd.getpwnam(user)
    except KeyError:
        if user.isdecimal():
            return None
        raise OSError(errno.EINVAL, f"user {user}: there is no such user") from None


def _group(group: str) -> int:
    if group.isdecimal():
        return int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise OSError(errno.EINVAL, f"group {group}: there is no such group") from None


UNKNOWN_HOME = "/"
"""Of a uid without an entry, as container runtimes have it: never the folder of whoever started graced."""


def login_environment(user: str) -> dict[str, str]:
    """HOME, USER, LOGNAME and SHELL of a user, by name or number; {} where there is none, which the birth tells."""
    try:
        entry = _user(user)
    except OSError:
        return {}
    home, name, shell = (UNKNOWN_HOME, user, "") if entry is None else (entry.pw_dir, entry.pw_name, entry.pw_shell)
    return {"HOME": home or UNKNOWN_HOME, "USER": name, "LOGNAME": name, "SHELL": shell or "/bin/sh"}
