"""A disk that loses its power: what SQLite writes and syncs is recorded, and played back up to a crash.

`Recorder` puts a VFS of its own before SQLite's, by ctypes on the very library that `sqlite3` uses, and listens to the
syncs that Python makes. `Disk` keeps, for each file, what is durable and what waits for a sync; `crash` leaves of what
waits an arbitrary part, in which each write or truncation is done, torn, or dropped whatever came after it, as in
SQLite's own crash tests. Names (creations, removals) are lost from the end, as on a file system with a journal.
"""

import ctypes as c
import os
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

_METHODS: Final = """close read write truncate sync file_size lock unlock check file_control sector_size characteristics
    shm_map shm_lock shm_barrier shm_unmap fetch unfetch"""
_CALLS: Final = """open delete access full dlopen dlerror dlsym dlclose randomness sleep time error time64 set get
    next_call"""

SECTOR: Final = 512
IGNORED: Final = ("-shm",)
"""Shared memory: made anew by whoever opens the database first."""

Op = tuple[Any, ...]
"""(make, path) | (write, path, offset, bytes) | (truncate, path, size) | (sync, path) | (remove, path) | (told, n)."""


class _Methods(c.Structure):
    _fields_ = [("version", c.c_int), *((name, c.c_void_p) for name in _METHODS.split())]


class _File(c.Structure):
    _fields_ = [("methods", c.POINTER(_Methods))]


class _Vfs(c.Structure):
    _fields_ = [
        ("version", c.c_int),
        ("file_size", c.c_int),
        ("path_max", c.c_int),
        ("next", c.c_void_p),
        ("name", c.c_char_p),
        ("data", c.c_void_p),
        *((name, c.c_void_p) for name in _CALLS.split()),
    ]


# The name is a pointer that SQLite keeps: passed on as it is, never as a copy.
_OPEN = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_void_p, c.c_void_p, c.c_int, c.c_void_p)
_DELETE = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_char_p, c.c_int)
_WRITE = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_void_p, c.c_int, c.c_int64)
_TRUNCATE = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_int64)
_SYNC = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_int)


def _library() -> c.CDLL:
    sqlite3.connect(":memory:").close()
    with open("/proc/self/maps", encoding="utf-8") as maps:
        paths = [line.split(maxsplit=5)[-1].strip() for line in maps if "sqlite" in line]
    # The library itself, or the module that it is linked into.
    for path in sorted(set(paths), key=lambda path: "libsqlite3" not in path):
        library = c.CDLL(path)
        if hasattr(library, "sqlite3_vfs_register"):
            return library
    library = c.CDLL(None)
    if hasattr(library, "sqlite3_vfs_register"):
        return library
    pytest.skip("this Python hides SQLite's functions")


class Recorder:
    """While it is entered, `ops` grows by what is done below `folder`, by connections that are opened meanwhile."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.ops: list[Op] = []
        self._folder = str(folder) + "/"
        self._patch = patch
        self._library = library = _library()
        library.sqlite3_vfs_find.restype = c.POINTER(_Vfs)
        self._below = library.sqlite3_vfs_find(None)
        self._paths: dict[int, str] = {}
        self._keep: list[Any] = []
        self._methods: dict[int, _Methods] = {}
        self._vfs = _Vfs()
        c.memmove(c.byref(self._vfs), self._below, c.sizeof(_Vfs))
        self._vfs.next, self._vfs.name = None, b"recorder"
        self._open = _OPEN(self._below.contents.open)
        self._delete = _DELETE(self._below.contents.delete)
        self._vfs.open = self._address(_OPEN(self._on_open))
        self._vfs.delete = self._address(_DELETE(self._on_delete))

    def _address(self, function: Any) -> int | None:
        self._keep.append(function)
        return c.cast(function, c.c_void_p).value

    def __enter__(self) -> "Recorder":
        self._library.sqlite3_vfs_register(c.byref(self._vfs), 1)
        for name in ("fsync", "fdatasync"):
            self._patch.setattr(os, name, self._listening(getattr(os, name)))
        return self

    def __exit__(self, *_: object) -> None:
        self._library.sqlite3_vfs_unregister(c.byref(self._vfs))
        self._library.sqlite3_vfs_register(self._below, 1)
        self._patch.undo()

    def told(self, n: int) -> None:
        """From here on, somebody may rely on commit `n`."""
        self.ops.append(("told", n))

    def _listening(self, real: Callable[[int], None]) -> Callable[[int], None]:
        def sync(fd: int) -> None:
            real(fd)
            path = os.readlink(f"/proc/self/fd/{fd}")
            if (path + "/").startswith(self._folder):
                self.ops.append(("sync", path))

        return sync

    def _on_open(self, _: int, name: int | None, file: int, flags: int, out: int) -> int:
        path = os.fsdecode(c.string_at(name)) if name else ""
        there = os.path.exists(path)
        code = self._open(c.cast(self._below, c.c_void_p), name, file, flags, out)
        if code == 0 and path.startswith(self._folder):
            self._paths[file] = path
            if not there:
                self.ops.append(("make", path))
            found = c.cast(file, c.POINTER(_File)).contents
            found.methods = c.pointer(self._wrapped(found.methods))
        return int(code)

    def _wrapped(self, methods: Any) -> _Methods:
        address = c.addressof(methods.contents)
        if address in self._methods:
            return self._methods[address]
        wrapped = self._methods[address] = _Methods()
        c.memmove(c.byref(wrapped), methods, c.sizeof(_Methods))
        write, truncate, sync = _WRITE(wrapped.write), _TRUNCATE(wrapped.truncate), _SYNC(wrapped.sync)

        def on_write(file: int, data: int, size: int, offset: int) -> int:
            code = int(write(file, data, size, offset))
            if code == 0:
                self.ops.append(("write", self._paths[file], offset, c.string_at(data, size)))
            return code

        def on_truncate(file: int, size: int) -> int:
            code = int(truncate(file, size))
            if code == 0:
                self.ops.append(("truncate", self._paths[file], size))
            return code

        def on_sync(file: int, flags: int) -> int:
            code = int(sync(file, flags))
            if code == 0:
                self.ops.append(("sync", self._paths[file]))
            return code

        wrapped.write = self._address(_WRITE(on_write))
        wrapped.truncate = self._address(_TRUNCATE(on_truncate))
        wrapped.sync = self._address(_SYNC(on_sync))
        return wrapped

    def _on_delete(self, _: int, name: bytes, sync_folder: int) -> int:
        code = int(self._delete(c.cast(self._below, c.c_void_p), name, sync_folder))
        path = os.fsdecode(name)
        if code == 0 and path.startswith(self._folder):
            self.ops.append(("remove", path))
            if sync_folder:
                self.ops.append(("sync", os.path.dirname(path)))
        return code


class _Content:
    def __init__(self) -> None:
        self.durable = bytearray()
        self.waiting: list[Op] = []


def _apply(content: bytearray, op: Op) -> None:
    if op[0] == "truncate":
        del content[op[2] :]
        content.extend(bytes(max(0, op[2] - len(content))))
    else:
        content.extend(bytes(max(0, op[2] - len(content))))
        content[op[2] : op[2] + len(op[3])] = op[3]


class Disk:
    """What is durable after the operations that were `play`ed, and what waits."""

    def __init__(self) -> None:
        self.told = 0
        self._names: dict[str, _Content] = {}
        self._durable: dict[str, _Content] = {}
        self._renamed: list[tuple[str, _Content | None]] = []  # names that wait for the sync of their folder

    def play(self, op: Op) -> None:
        kind, path = op[0], op[1]
        if kind == "told":
            self.told = op[1]
        elif isinstance(path, str) and path.endswith(IGNORED):
            return
        elif kind == "make":
            self._name(path, _Content())
        elif kind == "remove":
            self._name(path, None)
        elif kind == "sync" and path in self._names:
            content = self._names[path]
            for waiting in content.waiting:
                _apply(content.durable, waiting)
            content.waiting.clear()
        elif kind == "sync":
            for name, made in self._renamed:
                _link(self._durable, name, made)
            self._renamed.clear()
        else:
            if path not in self._names:  # made by Python, before SQLite opened it
                self._name(path, _Content())
            self._names[path].waiting.append(op)

    def _name(self, path: str, content: _Content | None) -> None:
        _link(self._names, path, content)
        self._renamed.append((path, content))

    def crash(self, folder: Path, dice: random.Random) -> None:
        """Writes into the empty `folder` what a power loss at this moment may leave."""
        names = dict(self._durable)
        for name, made in self._renamed[: dice.randint(0, len(self._renamed))]:
            _link(names, name, made)
        for name, content in names.items():
            data = bytearray(content.durable)
            kept = dice.choice((0.0, 0.1, 0.5, 0.9, 1.0))
            for op in content.waiting:
                if dice.random() < kept:
                    _apply(data, _torn(op, dice) if dice.random() < 0.1 else op)
            (folder / os.path.basename(name)).write_bytes(data)


def _link(names: dict[str, _Content], path: str, content: _Content | None) -> None:
    if content is None:
        names.pop(path, None)
    else:
        names[path] = content


def _torn(op: Op, dice: random.Random) -> Op:
    if op[0] != "write" or len(op[3]) <= SECTOR:
        return op
    return (*op[:3], op[3][: dice.randrange(1, len(op[3]) // SECTOR + 1) * SECTOR])
