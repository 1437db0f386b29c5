"""Listening sockets: bound as they are written, known again by their address, taken from others."""

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from graced.config.words import socket as parse
from graced.posix import listening, passing, proc
from graced.spec.config import Socket


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def bound(wish: Socket) -> Iterator[int]:
    fd = listening.bind(wish)
    try:
        yield fd
    finally:
        os.close(fd)


@pytest.mark.parametrize("form", ["{port}", "127.0.0.1:{port}", "localhost:{port}", "[::1]:{port}"])
def test_a_port_is_bound_and_known_again(form: str) -> None:
    port = free_port()
    wish = parse(form.format(port=port))
    try:
        with bound(wish) as fd:
            assert listening.is_it(fd, wish)
            assert not listening.is_it(fd, parse(str(port + 1 if port < 65535 else 1)))
            host = "::1" if "::1" in form else "127.0.0.1"
            socket.create_connection((host, port), timeout=5).close()
            assert not os.get_inheritable(fd)
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL and "::1" in form:
            pytest.skip("no IPv6 here")
        raise


def test_a_path_is_bound_also_over_what_a_dead_listener_left(tmp_path: Path) -> None:
    wish = parse(str(tmp_path / "s"))
    with bound(wish) as fd:
        assert listening.is_it(fd, wish)
        with pytest.raises(OSError, match=r"sockets: .*/s: Address already in use"):
            listening.bind(wish)
    with bound(wish) as fd:
        assert listening.is_it(fd, wish)


def test_no_file_of_anybody_s_is_removed_for_a_socket(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("mine")
    with pytest.raises(OSError, match="Address already in use"):
        listening.bind(parse(str(tmp_path / "s")))
    assert (tmp_path / "s").read_text() == "mine"


def test_what_does_not_listen_is_not_it(tmp_path: Path) -> None:
    wish = parse(str(tmp_path / "s"))
    with socket.socket(socket.AF_UNIX) as plain:
        plain.bind(str(tmp_path / "s"))
        assert not listening.is_it(plain.fileno(), wish)
    reader, writer = os.pipe()
    assert not listening.is_it(reader, wish)
    os.close(reader)
    os.close(writer)
    assert not listening.is_it(9999, wish)


def test_a_descriptor_travels_with_its_name() -> None:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reader, writer = os.pipe()
    passing.send(here, "keep web", reader)
    passing.send(here, "end")
    text, fd = passing.receive(there)
    assert text == "keep web"
    assert fd is not None
    os.write(writer, b"y")
    assert os.read(fd, 1) == b"y"
    assert not os.get_inheritable(fd)
    assert passing.receive(there) == ("end", None)
    here.close()
    assert passing.receive(there) == ("", None)
    for each in (reader, writer, fd):
        os.close(each)
    there.close()


def test_a_descriptor_is_taken_from_a_process() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        assert listener.fileno() in passing.sockets_of(os.getpid())
        fd = passing.take_from(proc.me(), listener.fileno())
        assert fd is not None
        assert listening.is_it(fd, parse(f"127.0.0.1:{listener.getsockname()[1]}"))
        os.close(fd)


def test_nothing_is_taken_from_who_is_gone() -> None:
    nobody = proc.Identity(2**22 - 1, 1, proc.boot_id())
    assert passing.take_from(nobody, 3) is None
    assert passing.sockets_of(nobody.pid) == []


def test_names_have_no_colon() -> None:
    assert listening.name_of(parse("127.0.0.1:80")) == "127.0.0.1_80"
    assert listening.name_of(parse("[::1]:80")) == "[__1]_80"
    assert listening.name_of(parse("8080")) == "8080"
