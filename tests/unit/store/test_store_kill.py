"""Writers of one database, each killed at a random moment, again and again: what was acknowledged is there."""

import os
import random
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from graced.store.checkpoint import checkpoint
from graced.store.db import Store
from graced.store.tables import counters, incidents

WRITER = """
import os, sys
from graced.store.db import Store
from graced.store.tables import add_step, bump, open_incident
store = Store(sys.argv[1])
me = f"{sys.argv[2]}-{os.getpid()}"
for n in range(20_000):
    bump(store, me)
    open_incident(store, f"{me}-{n}", "t", "web", "kernel", "x" * (n % 3000))
    add_step(store, f"{me}-{n}", "t", "restart", True, "")
    while not store.flush():
        pass
    os.write(1, b"%s %d\\n" % (me.encode(), n))
"""

WRITERS = 3
ROUNDS = 10
LIFE_S = 0.15
"""Longest life of a writer after its first acknowledged write."""


@pytest.mark.chaos
def test_kill_9_of_any_writer_loses_nothing_acknowledged(tmp_path: Path) -> None:
    path = str(tmp_path / "state.db")
    dice = random.Random(5)
    said: dict[str, int] = {}
    living: list[subprocess.Popen[bytes]] = []
    try:
        for turn in range(ROUNDS):
            living = [
                subprocess.Popen([sys.executable, "-c", WRITER, path, f"{turn}-{n}"], stdout=subprocess.PIPE)
                for n in range(WRITERS)
            ]
            said |= collect(living, dice)
            checkpoint(path)
    finally:
        for writer in living:
            writer.kill()
            writer.wait()
    store = Store(path)
    assert store.read("PRAGMA integrity_check") == [("ok",)]
    found = counters(store)
    assert len(said) == WRITERS * ROUNDS
    steps = {incident.id: len(incident.steps) for incident in incidents(store, limit=10**6)}
    for writer_name, last in said.items():
        assert found[writer_name] in (last + 1, last + 2)
        assert all(steps[f"{writer_name}-{n}"] == 1 for n in range(last + 1))
    assert not [name for name in os.listdir(tmp_path) if "corrupt" in name]
    assert not store.findings


def collect(writers: list[subprocess.Popen[bytes]], dice: random.Random) -> dict[str, int]:
    """Kills each writer at a random moment after its first write; the last that each acknowledged."""
    said: dict[int, bytearray] = {writer.pid: bytearray() for writer in writers}
    die_at: dict[int, float] = {}
    with selectors.DefaultSelector() as selector:
        for writer in writers:
            assert writer.stdout is not None
            selector.register(writer.stdout, selectors.EVENT_READ, writer)
        while selector.get_map():
            for key, _ in selector.select(0.002):
                chunk = os.read(key.fd, 65536)
                if not chunk:
                    selector.unregister(key.fileobj)
                said[key.data.pid] += chunk
                die_at.setdefault(key.data.pid, time.monotonic() + dice.random() * LIFE_S)
            for writer in writers:
                if time.monotonic() >= die_at.get(writer.pid, float("inf")):
                    writer.send_signal(signal.SIGKILL)
    for writer in writers:
        writer.wait()
        assert writer.stdout is not None
        writer.stdout.close()
    lines = [line.split() for text in said.values() for line in bytes(text).decode().splitlines() if " " in line]
    return {name: int(n) for name, n in lines}
