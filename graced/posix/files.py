"""Files that are there whole or not at all."""

import contextlib
import errno
import itertools
import os

_NAME_BYTES = 200
"""Of the target's name, what goes into the temporary name (a name may have 255 bytes)."""

_NO_HARD_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)
"""What link(2) says on a file system without them; there the last of two makers wins."""

_count = itertools.count()


def write_whole(path: str, data: bytes, mode: int = 0o600, durable: bool = True) -> None:
    """Replaces `path` by `data`: readers see the old bytes or the new, whatever is killed when. Raises OSError.

    With `durable` it survives a power loss as well (fsync of file and directory); without, only kill -9.
    """
    temporary = temporary_beside(path)
    try:
        _write_new(temporary, data, mode, durable)
        os.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    if durable:
        sync_dir(os.path.dirname(path) or ".")


def create_once(path: str, data: bytes, mode: int = 0o600) -> bool:
    """Makes `path` with `data`, whole and durable, unless it exists: then False. Raises OSError."""
    temporary = temporary_beside(path)
    try:
        _write_new(temporary, data, mode, durable=True)
        try:
            os.link(temporary, path)  # rename(2) would replace what another made meanwhile
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            os.rename(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
    sync_dir(os.path.dirname(path) or ".")
    return True


def temporary_beside(path: str) -> str:
    """A name in the same folder that only this process uses."""
    folder, name = os.path.split(path)
    short = os.fsdecode(os.fsencode(name)[:_NAME_BYTES])
    return os.path.join(folder, f".{short}.{os.getpid()}.{next(_count)}.tmp")


def sync_dir(path: str) -> None:
    """Makes renames and new names in a folder durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_dir(path: str, mode: int) -> None:
    """Makes a folder with exactly this mode (parents with the usual one); an existing one is given the mode.

    Raises OSError, NotADirectoryError when something else is there.
    """
    parent = os.path.dirname(path)
    if parent:
        os.makedirs(parent, exist_ok=True)
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        if not os.path.isdir(path):
            raise NotADirectoryError(errno.ENOTDIR, f"{path} is not a folder") from None
    if os.stat(path).st_mode & 0o7777 != mode:
        os.chmod(path, mode)


def _write_new(path: str, data: bytes, mode: int, durable: bool) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        fd = os.open(path, flags, mode)
    except FileExistsError:  # of a dead process that had our pid
        os.unlink(path)
        fd = os.open(path, flags, mode)
    try:
        os.fchmod(fd, mode)  # whatever the umask took away
        left = memoryview(data)
        while left:
            left = left[os.write(fd, left) :]
        if durable:
            os.fsync(fd)
    finally:
        os.close(fd)
