"""Files that are there whole or not at all, and the one way to read a file that anybody could have put there."""

import contextlib
import errno
import itertools
import os
import stat

_NAME_BYTES = 200
"""Of the target's name, what goes into the temporary name (a name may have 255 bytes)."""

_NO_HARD_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)
"""What link(2) says on a file system without them; there the last of two makers wins."""

_ASIDE_MAX = 1000
"""Names that are tried for what is set aside."""

SMALL_BYTES = 16 * 1024 * 1024
"""What `read_small` takes unless it is told otherwise: no file of a home that is read whole is larger."""

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFLNK: "a symlink",
}

_count = itertools.count()


def read_small(path: str, limit_bytes: int = SMALL_BYTES) -> bytes:
    """The whole of a regular file, never more than `limit_bytes`. Nothing that stands there makes it wait.

    Raises OSError with `filename` and a sentence: what is no regular file (a folder, FIFO, device, symlink) or larger.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise OSError(errno.EINVAL, f"it is {kind_of(path)}, not a file", path) from None
        raise
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, f"it is {_kind(found.st_mode)}, not a file", path)
        parts: list[bytes] = []
        left = limit_bytes + 1
        while left > 0 and (part := os.read(fd, min(left, 1 << 20))):
            parts.append(part)
            left -= len(part)
        if left <= 0:
            raise OSError(errno.EFBIG, f"it is larger than {limit_bytes} bytes", path)
        return b"".join(parts)
    finally:
        os.close(fd)


def kind_of(path: str) -> str:
    """What stands at a path, in words for people: "a folder", "a FIFO", "a file"; "nothing" where nothing does."""
    try:
        return _kind(os.lstat(path).st_mode)
    except OSError:
        return "nothing"


def _kind(mode: int) -> str:
    return _KINDS.get(stat.S_IFMT(mode), "a file")


def set_aside(path: str) -> str:
    """Renames what stands at `path` to PATH.aside-N, so that nothing of anybody is lost; the new name. Raises
    OSError."""
    for n in range(1, _ASIDE_MAX):
        there = f"{path}.aside-{n}"
        if not os.path.lexists(there):
            os.rename(path, there)
            return there
    raise FileExistsError(errno.EEXIST, "too much was set aside before", path)


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


def write_over(path: str, data: bytes, durable: bool = True) -> None:
    """`write_whole` for a file of ours: a folder that stands in its place is set aside. Raises OSError."""
    try:
        write_whole(path, data, durable=durable)
    except IsADirectoryError:
        set_aside(path)
        write_whole(path, data, durable=durable)


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
