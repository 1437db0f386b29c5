"""The log writer's work on one pipe and one file."""

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from graced.home.log_files import gap_note
from graced.members.logwriter import CHUNK_BYTES, Log
from graced.members.news import LOG_S, News
from graced.posix import logpipe


class Pipe:
    def __init__(self, folder: Path) -> None:
        self.fd = logpipe.make()
        self.path = folder / "k.log"
        self.log = Log("k", str(self.path), logpipe.again(self.fd, os.O_RDONLY | os.O_NONBLOCK))
        self.log.look()

    def says(self, data: bytes) -> None:
        os.write(self.fd, data)
        assert self.log.drain()

    @property
    def text(self) -> bytes:
        return self.path.read_bytes()


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Pipe]:
    one = Pipe(tmp_path)
    yield one
    one.log.close()


def cannot_splice(code: int) -> Callable[..., int]:
    def splice(*_: object, **__: object) -> int:
        raise OSError(code, os.strerror(code))

    return splice


def test_it_appends_what_comes(pipe: Pipe) -> None:
    pipe.says(b"a\n")
    pipe.says(b"b\n")
    assert pipe.text == b"a\nb\n"
    assert not logpipe.unread(pipe.fd)


def test_a_file_system_that_cannot_splice_is_written_all_the_same(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "splice", cannot_splice(errno.EINVAL))
    pipe.says(b"a\n")
    pipe.says(b"b" * 60_000)
    assert pipe.text == b"a\n" + b"b" * 60_000


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG])
def test_what_the_disk_does_not_take_is_counted_and_holds_up_nobody(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    pipe.says(b"before\n")
    with monkeypatch.context() as full:
        full.setattr(os, "splice", cannot_splice(code))
        pipe.says(b"lost\n" * 10)
    assert not logpipe.unread(pipe.fd), "the kernel does not wait"
    pipe.says(b"after\n")
    assert pipe.text == b"before\ngraced: 50 bytes that were printed here could not be written\nafter\n"


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.rename(path.with_suffix(".1"))])
def test_a_file_that_was_taken_away_is_begun_anew_with_a_note(pipe: Pipe, harm: Callable[[Path], object]) -> None:
    pipe.says(b"a\n")
    assert not pipe.log.look()
    harm(pipe.path)
    assert pipe.log.look(), "told"
    assert not pipe.log.look(), "once"
    pipe.says(b"b\n")
    assert pipe.text == b"b\n"
    assert b'"bytes": 2' in Path(gap_note(str(pipe.path))).read_bytes()


def test_the_end_is_when_nobody_can_write_any_more(pipe: Pipe) -> None:
    os.write(pipe.fd, b"last\n")
    os.close(pipe.fd)
    assert not pipe.log.drain()
    assert pipe.text == b"last\n"


def test_what_one_user_of_a_pipe_sets_is_not_the_others() -> None:
    pipe = logpipe.make()
    run = logpipe.again(pipe)
    os.set_blocking(run, False)
    assert os.get_blocking(pipe) and os.get_blocking(logpipe.again(pipe))
    assert logpipe.number(run) == logpipe.number(pipe)
    assert logpipe.number(pipe) in logpipe.held_by(os.getpid(), (run,))


def test_a_pipe_takes_no_more_than_a_chunk_at_once(pipe: Pipe) -> None:
    assert CHUNK_BYTES >= 1 << 16, "or a full pipe takes several turns"


class Peer:
    down, incarnation = False, 1


class FakeShell:
    """As much of a shell as News needs."""

    def __init__(self) -> None:
        self.sent: list[dict[str, object]] = []
        self.timers = 0
        self.state = type("State", (), {"peers": {"self_healing": Peer()}})()

    def send(self, to: str, verb: str, args: dict[str, object], *_: object) -> None:
        self.sent.append(args)

    def after(self, *_: object) -> None:
        self.timers += 1


def test_an_exit_is_not_told_before_the_kernels_last_words_are_in_its_log() -> None:
    from graced.core.orders import Exit, Report, Running
    from graced.spec.run import Run

    unread, shell = {"k"}, FakeShell()
    news = News(cast(Any, shell), lambda kernel: kernel in unread)
    news.synced(1)
    news.report(Report("exited", Running(Run("k", 1), exit=Exit(code=1)), 100.0, "", False))
    news.tend(100.0)
    assert (shell.sent, shell.timers) == ([], 1)
    news.tend(100.0 + LOG_S + 0.01)
    assert len(shell.sent) == 1, "not for ever"
    news.report(Report("exited", Running(Run("k", 2), exit=Exit(code=1)), 200.0, "", False))
    unread.clear()
    news.tend(200.0)
    assert len(shell.sent) == 2
