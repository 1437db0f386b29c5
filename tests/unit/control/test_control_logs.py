"""Reading logs: ends, times, rotation, truncation."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graced.control.logs import BLOCK_BYTES, Lines, Reader, offset_of_last, time_in


class Sink:
    def __init__(self) -> None:
        self.data = b""

    def __call__(self, block: bytes) -> None:
        self.data += block

    def taken(self) -> bytes:
        data, self.data = self.data, b""
        return data


def show(path: Path, lines: int | None = None, since: float | None = None) -> bytes:
    sink = Sink()
    reader = Reader(str(path), sink)
    reader.show(lines, since)
    reader.close()
    return sink.data


LINES = st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"_")), max_size=20)


@given(lines=LINES, unfinished=st.binary(max_size=9).map(lambda line: line.replace(b"\n", b"_")), n=st.integers(0, 25))
def test_the_last_lines_are_the_last_lines(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], unfinished: bytes, n: int
) -> None:
    path = tmp_path_factory.getbasetemp() / f"log{os.getpid()}"
    whole = [line + b"\n" for line in lines] + ([unfinished] if unfinished else [])
    path.write_bytes(b"".join(whole))
    assert show(path, n) == b"".join(whole[max(0, len(whole) - n) :])


def test_lines_longer_than_a_block_are_found(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"first\n" + b"x" * (3 * BLOCK_BYTES) + b"\nlast\n")
    assert show(path, 1) == b"last\n"
    assert len(show(path, 2)) == 3 * BLOCK_BYTES + 6
    with path.open("rb") as file:
        assert offset_of_last(file.fileno(), path.stat().st_size, 0) == path.stat().st_size


@pytest.mark.parametrize(
    ("line", "at"),
    [
        (b"2026-01-01T00:00:00Z hello", 1_767_225_600.0),
        (b"[2026-01-01 01:00:00.250+01:00] hello", 1_767_225_600.25),
        (b"2026-01-01T00:00:00,5Z", 1_767_225_600.5),
        (b"2026-13-01T00:00:00Z", None),
        (b"hello 2026-01-01T00:00:00Z", None),
        (b"", None),
    ],
)
def test_the_time_at_the_beginning_of_a_line(line: bytes, at: float | None) -> None:
    assert time_in(line) == at


def test_since_begins_with_the_first_line_that_is_late_enough(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"2026-01-01T00:00:00Z a\n  more of a\n2026-01-01T00:10:00Z b\n  more of b\n")
    assert show(path, since=1_767_225_900.0) == b"2026-01-01T00:10:00Z b\n  more of b\n"
    assert show(path, since=1_767_229_999.0) == b""


def test_without_times_in_it_the_time_of_the_file_counts(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"a\nb\n")
    os.utime(path, (1000.0, 1000.0))
    assert show(path, since=999.0) == b"a\nb\n"
    assert show(path, since=1001.0) == b""


def test_following_shows_what_is_appended(tmp_path: Path) -> None:
    path, sink = tmp_path / "log", Sink()
    reader = Reader(str(path), sink)
    assert not reader.show(1, None)
    assert not reader.more()
    path.write_bytes(b"a\n")
    assert reader.more() and sink.taken() == b"a\n"
    with path.open("ab") as file:
        file.write(b"b\n")
    assert reader.more() and sink.taken() == b"b\n"
    assert not reader.more()
    reader.close()


def test_following_goes_on_in_the_file_that_replaced_it_and_loses_nothing(tmp_path: Path) -> None:
    path, sink = tmp_path / "log", Sink()
    path.write_bytes(b"a\n")
    reader = Reader(str(path), sink)
    reader.show(None, None)
    with path.open("ab") as file:
        path.rename(tmp_path / "log.1")
        file.write(b"b\n")
    path.write_bytes(b"c\n")
    while reader.more():
        pass
    assert sink.data == b"a\nb\nc\n"
    reader.close()


def test_a_truncated_file_is_read_from_its_beginning(tmp_path: Path) -> None:
    path, sink = tmp_path / "log", Sink()
    path.write_bytes(b"a long first line\n")
    reader = Reader(str(path), sink)
    reader.show(None, None)
    sink.taken()
    path.write_bytes(b"new\n")
    assert reader.more() and sink.data == b"new\n"
    reader.close()


def test_a_file_that_lost_its_head_is_followed_from_where_we_were(tmp_path: Path) -> None:
    path, sink = tmp_path / "log", Sink()
    lines = b"".join(b"line %d\n" % n for n in range(2000))
    path.write_bytes(lines)
    reader = Reader(str(path), sink)
    reader.show(None, None)
    sink.taken()
    path.write_bytes(lines[4096:] + b"line 2000\n")  # the same inode, as a collapsed range leaves it
    assert reader.more() and sink.data == b"line 2000\n"
    reader.close()


def test_a_line_is_told_once_it_is_whole() -> None:
    told: list[bytes] = []
    lines = Lines(told.append)
    lines(b"a\nb")
    assert told == [b"a"]
    lines(b"c\n\n")
    assert told == [b"a", b"bc", b""]
    lines(b"rest")
    lines.flush()
    lines.flush()
    assert told[3:] == [b"rest"]
