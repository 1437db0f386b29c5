"""The log writer: one process of a home that moves what kernels print from their pipes into logs/NAME.log.

It has no role: titled `graced: spawner worker`, started by the spawner, started anew when it dies. What it has not
moved yet waits in the pipes, which the spawner and the kernels hold open. When the spawner dies it goes on, until the
writer of the next spawner takes its place or the last kernel has ended. splice(2) moves the bytes inside the system: at
no moment are some in this process alone, so its end by kill -9 loses none.

Over its channel (SOCK_SEQPACKET) it is told `log NAME` with a pipe each; it tells `moved NAME` of a log that somebody
moved or removed, and `lost NAME`.
"""

import _socket
import contextlib
import errno
import json
import os
import resource
import select
import signal
from typing import Final

from graced.home.locks import LockRecord, RoleLock, holder
from graced.home.log_files import gap_note, lock_path
from graced.home.paths import Home
from graced.posix import logpipe, passing, proc
from graced.posix.clock import wall_iso
from graced.posix.files import make_dir, write_whole
from graced.posix.flock import same_file

CHUNK_BYTES: Final = 1 << 20
TURN_CHUNKS: Final = 4
"""Of one log before the others have their turn."""

TAKE_S: Final = 5.0
NO_SPLICE: Final = (errno.EINVAL, errno.ENOSYS)
"""What a file system says that cannot take pages of a pipe; then they are copied."""


class Log:
    """One kernel's pipe and file. `lost`: bytes that the disk did not take."""

    def __init__(self, name: str, path: str, pipe: int) -> None:
        self.name, self.path, self.pipe = name, path, pipe
        self.file = -1
        self.lost = 0
        self.told_lost = False
        self._splices = True

    def look(self) -> bool:
        """Opens the file that the path names now. True when that is another one than before: moved, or removed."""
        if self.file >= 0 and same_file(self.file, self.path):
            return False
        before, self.file = self.file, -1
        with contextlib.suppress(OSError):
            make_dir(os.path.dirname(self.path), 0o700)
            self.file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY, 0o600)
        if before < 0:
            return False
        if self.file >= 0:
            self._note(os.fstat(before).st_size)
        os.close(before)
        return True

    def _note(self, size: int) -> None:
        """For `graced logs`, which has to say what it cannot show."""
        note = {"at": wall_iso(), "bytes": size, "inode": os.fstat(self.file).st_ino}
        with contextlib.suppress(OSError):
            write_whole(gap_note(self.path), json.dumps(note).encode(), durable=False)

    def drain(self) -> bool:
        """Moves what is in the pipe; False at its end: every process that could write into it has ended."""
        for _ in range(TURN_CHUNKS):
            try:
                moved = self._move()
            except BlockingIOError:
                return True
            except OSError:  # a full disk: a kernel must not wait for it
                moved = self._drop()
            if moved == 0:
                return False
        return True

    def _move(self) -> int:
        if self.file < 0:
            raise OSError(errno.EIO, "no log")
        if self.lost and logpipe.unread(self.pipe):
            line = f"graced: {self.lost} bytes that were printed here could not be written\n".encode()
            os.pwrite(self.file, line, os.fstat(self.file).st_size)
            self.lost = 0
        end = os.fstat(self.file).st_size  # looked up each time: somebody may have emptied the file
        if self._splices:
            try:
                return os.splice(self.pipe, self.file, CHUNK_BYTES, offset_dst=end)
            except OSError as error:
                if error.errno not in NO_SPLICE:
                    raise
                self._splices = False
        data = os.read(self.pipe, CHUNK_BYTES)
        left = memoryview(data)
        while left:
            count = os.pwrite(self.file, left, end)
            left, end = left[count:], end + count
        return len(data)

    def _drop(self) -> int:
        try:
            count = len(os.read(self.pipe, CHUNK_BYTES))
        except BlockingIOError:
            return 1  # taken by the call that failed: the next look finds the pipe empty
        self.lost += count
        return count

    def close(self) -> None:
        os.close(self.pipe)
        if self.file >= 0:
            os.close(self.file)


class LogWriter:
    def __init__(self, home: Home, channel: "_socket.socket", interval_s: float) -> None:
        self._home, self._channel, self._interval_s = home, channel, interval_s
        self._logs: dict[int, Log] = {}
        self._epoll = select.epoll()
        self._epoll.register(channel.fileno(), select.EPOLLIN)
        self._led = True

    def run(self) -> None:
        """To the end of the spawner and of every kernel, or until a SIGTERM; what is in the pipes is written first."""
        lock = _take_over(self._home)  # held to the end
        told = _on_term(self._epoll)
        while self._led or self._logs:
            ready = [fd for fd, _ in self._epoll.poll(self._interval_s)]
            for fd in ready:
                if fd == self._channel.fileno() and self._led:
                    self._hear()
                elif fd in self._logs:
                    self._drain(self._logs[fd])
            if told in ready:
                self._drain_all()
                return
            for log in self._logs.values():
                self._look(log)
            if lock is not None and not lock.still_mine():  # run/ was deleted
                if not self._led:
                    return  # whoever comes next would not find us: what is in the pipes is left to it
                lock.close()
                lock = None
            if lock is None and self._led:
                lock = _take_over(self._home)

    def _drain_all(self) -> None:
        for log in list(self._logs.values()):
            while log.pipe in self._logs and logpipe.unread(log.pipe):
                self._drain(log)

    def _hear(self) -> None:
        try:
            text, fd = passing.receive(self._channel)
        except OSError:
            text, fd = "", None
        if fd is None:
            self._epoll.unregister(self._channel.fileno())
            self._led = False
            return
        name = text.removeprefix("log ")
        try:
            pipe = logpipe.again(fd, os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            self._tell("lost", name)
            return
        finally:
            os.close(fd)
        log = self._logs[pipe] = Log(name, self._home.log(name), pipe)
        log.look()
        self._epoll.register(pipe, select.EPOLLIN)

    def _drain(self, log: Log) -> None:
        self._look(log)
        if not log.drain():
            self._epoll.unregister(log.pipe)
            del self._logs[log.pipe]
            log.close()
        elif log.lost and not log.told_lost:
            log.told_lost = True
            self._tell("lost", log.name)
        elif not log.lost:
            log.told_lost = False

    def _look(self, log: Log) -> None:
        if log.look():
            self._tell("moved", log.name)

    def _tell(self, what: str, name: str) -> None:
        with contextlib.suppress(OSError):
            self._channel.setblocking(False)
            passing.send(self._channel, f"{what} {name}")
            self._channel.setblocking(True)


def _on_term(epoll: select.epoll) -> int:
    """A descriptor, in the epoll, that is readable once a SIGTERM has come: it interrupts nothing."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, lambda *_: None)
    epoll.register(reader, select.EPOLLIN)
    return reader


def _take_over(home: Home) -> RoleLock | None:
    """In place of the writer of a spawner before ours, which is ended first: two would write over each other."""
    path = lock_path(home)
    with contextlib.suppress(OSError):
        lock = RoleLock.take(path, 0)
        if lock is None:
            record = holder(path)
            if record is not None:
                proc.signal_identity(record.identity, signal.SIGKILL)
            lock = RoleLock.take(path, TAKE_S)
        if lock is not None:
            lock.write(LockRecord.of(proc.me()))
        return lock
    return None


def be(home: Home, channel: "_socket.socket", interval_s: float) -> None:
    """In the forked process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # two for each kernel
    LogWriter(home, channel, interval_s).run()
