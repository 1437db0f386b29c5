"""graced itself, to be measured: a home of its own, started by the command line, heard by a heartbeat socket."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import zmq
from words import Program

from graced.bus.protocol import decode_beat
from graced.core.vocabulary import Beat
from graced.home.locks import read_record
from graced.home.paths import Home
from graced.spec.roles import MEMBERS
from graced.status.now import status

HEALTHY_S = 30.0
LOOK_S = 0.02
PATIENT = {"max_restarts": 1_000_000, "backoff": {"initial": 0}}
"""Killing the same kernel a hundred times is no crash loop here."""


class Graced:
    """A running home with one kernel that says a word when it starts."""

    def __init__(self, folder: str, timing: Mapping[str, str]) -> None:
        os.mkdir(folder)
        self.folder = folder
        self.program = Program(folder)
        self.home = Home(os.path.join(folder, "home"))
        configuration = {
            "home": "home",
            "timing": dict(timing),
            "kernels": {"bench": {"command": self.program.command, "restart": "always", "restarts": PATIENT}},
        }
        self._yaml = os.path.join(folder, "graced.yaml")
        with open(self._yaml, "w", encoding="utf-8") as file:
            json.dump(configuration, file)
        self.cold: dict[str, float] = {}
        self._context: zmq.Context[Any] = zmq.Context()
        self._sub = self._context.socket(zmq.SUB)

    def start(self) -> None:
        """Sets `cold`: ms from the command to the kernel's first word, and to its end, when all is healthy."""
        began = time.monotonic()
        command = self._graced("start")
        word = self.program.say() - began
        out, _ = command.communicate(timeout=HEALTHY_S)
        self.cold = {"word_ms": word * 1000, "healthy_ms": (time.monotonic() - began) * 1000}
        if command.returncode:
            raise RuntimeError(f"graced start: exit {command.returncode}: {out}")
        self._sub.setsockopt(zmq.SUBSCRIBE, b"")
        self._sub.connect(self.home.endpoint("watchdog", "hb"))
        self.settle()

    def stop(self) -> None:
        self._graced("stop").communicate()
        self._context.destroy(linger=0)
        self.program.close()

    def _graced(self, word: str) -> "subprocess.Popen[str]":
        words = [sys.executable, "-P", "-c", "from graced.cli.main import main; main()", "--config", self._yaml, word]
        pipe, null = subprocess.PIPE, subprocess.DEVNULL
        return subprocess.Popen(words, stdout=pipe, stderr=subprocess.STDOUT, stdin=null, text=True)

    # --- facts

    def pid(self, member: str) -> int:
        record = read_record(self.home.lock(member))
        assert record is not None
        return record.pid

    def pids(self) -> dict[str, int]:
        return {member: self.pid(member) for member in MEMBERS}

    def settle(self) -> None:
        """Until all is healthy. Raises TimeoutError."""
        deadline = time.monotonic() + HEALTHY_S
        while not status(self.home).healthy:
            if time.monotonic() > deadline:
                raise TimeoutError(f"not healthy within {HEALTHY_S:g} s")
            time.sleep(LOOK_S)

    # --- what the watchdog hears

    def kill_heard(self, *members: str) -> float:
        """Kill them at once; seconds until the watchdog has heard the successor of each.

        The watchdog publishes a heartbeat in the very turn of its loop in which it hears a new incarnation, and that
        heartbeat names the incarnations that it hears; what is measured holds one hop more, from it to here.
        """
        self._drain()
        old = {member: self._incarnation(member) for member in members}
        pids = [self.pid(member) for member in members]
        began = time.monotonic()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        now = self._until(lambda beat: all(beat.hears.get(m, 0) > old[m] for m in members))
        return now - began

    def _incarnation(self, member: str) -> int:
        record = read_record(self.home.lock(member))
        return record.incarnation if record is not None else 0

    def _drain(self) -> None:
        while self._sub.poll(0):
            self._sub.recv()

    def _until(self, told: Callable[[Beat], bool]) -> float:
        deadline = time.monotonic() + HEALTHY_S
        while time.monotonic() < deadline:
            if self._sub.poll(int(HEALTHY_S * 1000)):
                now = time.monotonic()
                beat = decode_beat(self._sub.recv())
                if beat is not None and told(beat):
                    return now
        raise TimeoutError(f"the watchdog did not hear them within {HEALTHY_S:g} s")
