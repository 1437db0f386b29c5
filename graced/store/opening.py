"""How state.db is made, opened, and set aside when it is damaged. Every failure is a sqlite3.Error.

In WAL mode with `synchronous=NORMAL` a commit waits for no disk, and one that never writes the WAL back
(`wal_autocheckpoint=0`) syncs only where it begins a WAL: at a start from nothing. A sync in a member would be
milliseconds under the write lock, in the middle of recoveries; so a worker makes commits durable and writes the WAL
back (`checkpoint`). kill -9 takes nothing back, as the page cache outlives a process; a power loss takes what no worker
has synced yet, and leaves the database whole.

POSIX locks belong to the process: closing *any* descriptor of a file drops them all. So nothing here opens state.db or
its -shm but SQLite itself, and a file is told from another by stat(2) of its path.
"""

import contextlib
import os
import sqlite3
import sys
from collections.abc import Iterator
from stat import S_ISREG
from typing import Final, NamedTuple

from graced.home.locks import LockRecord, take_now
from graced.posix.proc import me
from graced.store.errors import DAMAGE, UNOPENABLE, Contended, Newer, Unopenable, primary
from graced.store.schema import VERSION, migrate, version

CACHE_KIB: Final = 256
"""Page cache of a connection; SQLite's own 2 MiB, seven times, would be felt."""

CORRUPT_MAX: Final = 5
"""Damaged files kept as state.db.corrupt-N; past that the last one is replaced."""

_SIDE_FILES: Final = ("-wal", "-shm", "-journal")

Inode = tuple[int, int]
"""Device and number."""


Sides = tuple[Inode | None, Inode | None]
"""Of the -shm, through which all processes must meet, and of the -wal, where they write; None without one."""


class Opened(NamedTuple):
    """`inode` of state.db; `sides` of the files beside it."""

    conn: sqlite3.Connection
    inode: Inode
    sides: Sides
    created: bool


def inode_of(path: str) -> Inode | None:
    """Which file the path names now; None when there is none or it cannot be looked at."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


def _file_at(path: str) -> Inode | None:
    """`inode_of` what SQLite may open. Raises Unopenable for a folder, a FIFO (which it would wait for), a device."""
    try:
        stat = os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unopenable(f"{path}: {error.strerror}") from None
    if not S_ISREG(stat.st_mode):
        raise Unopenable(f"{path} is no regular file: move it away")
    return stat.st_dev, stat.st_ino


def shared_of(path: str) -> Inode | None:
    return inode_of(f"{path}-shm")


def sides_of(path: str) -> Sides:
    return shared_of(path), inode_of(f"{path}-wal")


def open_writer(path: str) -> Opened:
    """Opens the database, made and migrated if need be; to read only where it may not be written. Never waits."""
    before = _file_at(path)
    created = before is None and _create(path)
    before = before or inode_of(path)
    try:
        conn = connect(path, "mode=rw")
    except sqlite3.Error as error:
        conn = _connect_reader(path, error)
    try:
        conn.execute("PRAGMA synchronous=NORMAL")
        conn.execute("PRAGMA wal_autocheckpoint=0")
        write_back_at_close(conn, False)
        _use_wal(conn)
        migrate(conn)
    except Newer:
        conn.close()
        raise
    except sqlite3.Error as error:
        conn.close()
        conn = _connect_reader(path, error)
    return _same(path, conn, before, created)


def open_reader(path: str) -> Opened | None:
    """Opens the database to read only, None when there is none. It makes no database and no folder.

    Where not even the -shm may be made, what stands in the WAL alone is not seen.
    """
    before = _file_at(path)
    if before is None:
        return None
    return _same(path, _connect_reader(path, None), before, False)


def _same(path: str, conn: sqlite3.Connection, before: Inode | None, created: bool) -> Opened:
    sides = sides_of(path)
    if before is None or inode_of(path) != before:
        conn.close()
        raise Contended("state.db is being replaced")
    return Opened(conn, before, sides, created)


def _connect_reader(path: str, cause: sqlite3.Error | None) -> sqlite3.Connection:
    """A connection that may only read. `cause`: why one that writes could not be had; raised when it was not that."""
    if cause is not None and primary(cause) not in UNOPENABLE:
        raise cause
    for query in ("mode=ro", "mode=ro&immutable=1"):
        conn = None
        try:
            conn = connect(path, query)
            version(conn)
        except sqlite3.Error as error:
            if conn is not None:
                conn.close()
            if primary(error) not in UNOPENABLE:
                raise
            cause = cause or error
        else:
            return conn
    assert cause is not None
    raise cause


def write_back_at_close(conn: sqlite3.Connection, wanted: bool) -> None:
    """Whether the last connection of all to close writes the WAL back, synced, and removes it.

    Before Python 3.12 it cannot be told not to.
    """
    if sys.version_info >= (3, 12):
        conn.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, not wanted)


def connect(path: str, query: str) -> sqlite3.Connection:
    """A bare connection that waits for nobody; the caller begins and commits."""
    quoted = os.path.abspath(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    conn = sqlite3.connect(f"file:{quoted}?{query}", uri=True, timeout=0, isolation_level=None)
    conn.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
    conn.execute("PRAGMA temp_store=MEMORY")
    return conn


# --- making and setting aside


@contextlib.contextmanager
def maker_lock(path: str) -> Iterator[None]:
    """Held by whoever gives the path another file, or writes its WAL back. Raises sqlite3.Error."""
    try:
        lock = take_now(f"{path}.lock", LockRecord.of(me()))
    except OSError as error:
        raise Unopenable(error.strerror or str(error)) from None
    if lock is None:
        raise Contended("state.db is being made by another process")
    try:
        yield
    except OSError as error:
        raise Unopenable(error.strerror or str(error)) from None
    finally:
        with contextlib.suppress(OSError):  # it blanks its record first, which a full disk may refuse
            lock.close()


def _create(path: str) -> bool:
    """Makes an empty file; False when another has."""
    with maker_lock(path):
        if os.path.lexists(path):
            return False
        _create_locked(path)
        return True


def _create_locked(path: str) -> None:
    # Those of a database that was deleted may be in use still: a new one must not share memory with its ghosts.
    for suffix in _SIDE_FILES:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path + suffix)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    # Here and not by whoever opens it: that takes the whole file, and all who open a new one come at the same moment.
    with contextlib.closing(connect(path, "mode=rw")) as conn:
        _use_wal(conn)


def _use_wal(conn: sqlite3.Connection) -> None:
    """Switches a new file to WAL mode. Where files cannot be shared memory it stays in the mode that it has."""
    if conn.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        conn.execute("PRAGMA journal_mode=WAL")


def set_aside(path: str, inode: Inode) -> str | None:
    """Renames the damaged file and makes an empty one; the new name, or None when the path names another by now."""
    with maker_lock(path):
        if inode_of(path) != inode:
            return None
        kept = next((n for n in range(1, CORRUPT_MAX) if not os.path.exists(f"{path}.corrupt-{n}")), CORRUPT_MAX)
        aside = f"{path}.corrupt-{kept}"
        os.rename(path, aside)
        for suffix in _SIDE_FILES:  # SQLite finds the WAL of a renamed file by its name
            with contextlib.suppress(FileNotFoundError):
                os.rename(path + suffix, aside + suffix)
        _create_locked(path)
        return aside


def rescue(path: str, inode: Inode, conn: sqlite3.Connection) -> bool:
    """Puts what `conn` still sees in place of a file that lost its WAL or its content.

    False when the path names another by now. Raises Lost when what it sees is not whole any more, another
    sqlite3.Error when it cannot be written now.
    """
    copy = f"{path}.rescued"
    with maker_lock(path):
        if inode_of(path) != inode:
            return False
        try:
            _copy(conn, copy)
            for suffix in _SIDE_FILES:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path + suffix)
            os.rename(copy, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(copy)
        return True


class Lost(sqlite3.DatabaseError):
    """The database that a connection sees is not whole any more."""


def _copy(conn: sqlite3.Connection, copy: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(copy)
    os.close(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with contextlib.closing(sqlite3.connect(copy)) as target:
        target.execute("PRAGMA synchronous=OFF")  # no member waits for a disk; a worker syncs the new file
        try:
            conn.backup(target)
            whole = _in_order(target) and version(target) == VERSION
        except sqlite3.Error as error:
            if primary(error) in DAMAGE:
                raise Lost(str(error)) from None
            raise
        if not whole:
            raise Lost("it has lost its content")


def whole(path: str) -> bool:
    """Does a new connection find the file in order? Takes some 5 ms a MiB. A file that is busy counts as whole."""
    try:
        conn = connect(path, "mode=rw")
    except sqlite3.Error as error:
        return primary(error) not in DAMAGE
    try:
        return _in_order(conn)
    except sqlite3.Error as error:
        return primary(error) not in DAMAGE
    finally:
        conn.close()


def _in_order(conn: sqlite3.Connection) -> bool:
    return bool(conn.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
