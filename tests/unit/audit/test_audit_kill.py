"""Many processes append, each is killed at a random moment, again and again: the chain stays whole."""

import os
import random
import selectors
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from graced.audit import layout, read

WRITER = """
import os, random, signal, sys
from graced.audit import log
log.SEGMENT_MAX_BYTES = 400_000
dice = random.Random(os.getpid())
write_all = log._write_all

def write_or_die(fd, data):
    # What a kill in the middle of write(2) leaves, which few kills from outside manage to hit.
    if dice.random() < 0.02:
        os.write(fd, data[: dice.randrange(len(data) + 1)])
        os.kill(os.getpid(), signal.SIGKILL)
    return write_all(fd, data)

log._write_all = write_or_die
audit = log.AuditLog(sys.argv[1], sys.argv[2], os.getpid(), int(sys.argv[3]))
for n in range(3000):
    audit.append("vote.cast", {"n": n, "text": "x" * (n * 37 % 12_000)})
    while not audit.flush():
        pass
    os.write(1, b"%d %d\\n" % (os.getpid(), n))
"""

WRITERS = 3
ROUNDS = 12
LIFE_S = 0.15
"""Longest life of a writer after its first acknowledged record."""


@pytest.mark.chaos
def test_kill_9_of_any_writer_loses_nothing_acknowledged_and_breaks_nothing(tmp_path: Path) -> None:
    folder = str(tmp_path / "audit")
    dice = random.Random(5)
    acknowledged: set[tuple[int, int]] = set()
    living: list[subprocess.Popen[bytes]] = []
    try:
        for turn in range(ROUNDS):
            living = [
                subprocess.Popen(
                    [sys.executable, "-c", WRITER, folder, f"member-{n}", str(turn)], stdout=subprocess.PIPE
                )
                for n in range(WRITERS)
            ]
            acknowledged |= collect(living, dice)
    finally:
        for writer in living:
            writer.kill()
            writer.wait()
    verdict = read.verify(folder)
    assert verdict.ok, verdict
    found = Counter((r["pid"], r["data"]["n"]) for r in read.records(folder) if r["kind"] == "vote.cast")
    assert len(acknowledged) > 100
    assert acknowledged <= found.keys()
    assert set(found.values()) == {1}
    torn = [r for r in read.records(folder) if r["kind"] == "audit.torn"]
    set_aside = [name for name in os.listdir(folder) if name.startswith(layout.TORN_PREFIX)]
    assert len(torn) <= len(set_aside)  # a killed copier may have left one that nobody recorded
    assert set_aside


def collect(writers: list[subprocess.Popen[bytes]], dice: random.Random) -> set[tuple[int, int]]:
    """Kills each writer at a random moment after its first record; all that they acknowledged, as (pid, n)."""
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
    lines = (line.split() for text in said.values() for line in bytes(text).decode().splitlines() if " " in line)
    return {(int(pid), int(n)) for pid, n in lines}
