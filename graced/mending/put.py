"""Putting bytes in a file's place, so that a kill at any instant leaves it whole, old or new."""

import contextlib
import errno
import fcntl
import hashlib
import os
import signal
import stat
from typing import Final

from graced.mending.walk import OURS
from graced.posix.files import sync_dir

MAX_FILE_BYTES: Final = 1024 * 1024
"""A larger file is no source that anybody wrote."""


def digest(data: bytes) -> str:
    """SHA-256, in lower-case hex."""
    return hashlib.sha256(data).hexdigest()


def read_source(path: str, most: int = MAX_FILE_BYTES) -> bytes:
    """The bytes of a regular file of a sane size. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO of that name must not hold us up
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "is no regular file", path)
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"is larger than {most} bytes", path)
    return data


def replace_bytes(path: str, expected_sha256: str, data: bytes, split: bool = False) -> bool:
    """Rename `data` over the file if its bytes still are the expected ones; False when they are not. Raises OSError.

    Owner, mode and extended attributes are kept, or the file is. A symbolic link is followed: the file it names is
    replaced; one that has other names as well only with `split`, as those keep the old bytes. What a killed one left
    beside the file under its pid is taken away by the next (`sweep`).
    """
    signal.signal(signal.SIGIO, signal.SIG_IGN)  # a broken lease is told so, which would end this process
    target = os.path.realpath(path)
    status = os.stat(target)
    linked = "" if split else hard_links(target)
    if linked:
        raise OSError(errno.EMLINK, linked, path)
    temporary = f"{target}{OURS}{os.getpid()}"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            _keep_owner(fd, status, path)
            os.fchmod(fd, stat.S_IMODE(status.st_mode))
            _copy_attributes(target, fd)
            os.fsync(fd)
        if not _rename_over(target, expected_sha256, temporary):
            os.unlink(temporary)
            return False
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    sync_dir(os.path.dirname(target) or ".")
    return True


def hard_links(path: str) -> str:
    """Why the file cannot be replaced, if it has more names than one, else "". Raises OSError."""
    names = os.stat(path).st_nlink
    return f"has {names} names (hard links), and the others would keep the old bytes" if names > 1 else ""


def _keep_owner(fd: int, status: os.stat_result, path: str) -> None:
    """Another's file stays as it is where it would become ours: he could not write it any more."""
    try:
        os.fchown(fd, status.st_uid, status.st_gid)
    except PermissionError:
        made = os.fstat(fd)
        if (made.st_uid, made.st_gid) != (status.st_uid, status.st_gid):
            owner = f"belongs to {status.st_uid}:{status.st_gid}, and would belong to {made.st_uid}:{made.st_gid}"
            raise OSError(errno.EPERM, owner, path) from None


def _rename_over(target: str, expected_sha256: str, temporary: str) -> bool:
    """The rename, unless the bytes are others, or somebody has the file open to write: what he writes would be lost.

    A read lease (fcntl(2), F_SETLEASE) is refused while there is a writer, and makes a new one wait.
    """
    fd = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except BlockingIOError:
            return False
        except OSError:  # another's file, or a file system without leases
            pass
        with os.fdopen(fd, "rb", closefd=False) as file:  # all of it: a file put back may be larger than one mended
            if hashlib.file_digest(file, "sha256").hexdigest() != expected_sha256:
                return False
        os.rename(temporary, target)
        return True
    finally:
        os.close(fd)


def sweep(path: str) -> None:
    """Take away what a writer that was killed before its rename left beside the file."""
    target = os.path.realpath(path)
    folder, name = os.path.split(target)
    with contextlib.suppress(OSError):
        for left in os.listdir(folder or "."):
            pid = left.removeprefix(name + OURS)
            if pid != left and pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
                os.unlink(os.path.join(folder, left))


def _copy_attributes(source: str, fd: int) -> None:
    """Extended attributes (ACLs among them), as far as the file system and our rights have it."""
    with contextlib.suppress(OSError):
        for name in os.listxattr(source):
            with contextlib.suppress(OSError):
                os.setxattr(fd, name, os.getxattr(source, name))
