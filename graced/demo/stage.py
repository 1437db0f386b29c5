"""The temporary home of the tour: made, started, looked at, and cleared away whatever happened."""

import json
import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable
from typing import Final

from graced.config.load import load
from graced.control import start as starting
from graced.control.census import Census
from graced.control.errors import Refusal
from graced.control.stop import stop_all
from graced.demo.kernels import FILES, configuration
from graced.home import slots
from graced.home.locks import read_record
from graced.home.paths import Home
from graced.home.presence import presences
from graced.posix import proc
from graced.posix.proc import Identity
from graced.status.now import status
from graced.status.structs import Status

LOOK_S: Final = 0.005
"""Between two looks at the status. Each takes some milliseconds itself."""

GLANCE_S: Final = 0.0005
"""Between two looks at lock files and slots, which cost microseconds."""

STARTED_S: Final = 30.0
KILLED_S: Final = 5.0


class Stage:
    """One run of the tour. `folder` holds graced.yaml, the kernels' code and the home; `clear` ends all of it."""

    def __init__(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="graced-demo-")
        self.shop = os.path.join(self.folder, "shop")
        self.home = Home(os.path.join(self.folder, "home"))
        self.seen: set[Identity] = set()
        os.mkdir(self.shop)
        for name, text in FILES.items():
            with open(os.path.join(self.shop, name), "w", encoding="utf-8") as file:
                file.write(text)
        self._yaml = os.path.join(self.folder, "graced.yaml")
        with open(self._yaml, "w", encoding="utf-8") as file:
            json.dump(configuration(_free_port()), file, indent=1)  # JSON is YAML

    # --- start and look

    def start(self) -> tuple[Status, float]:
        """The status once all is healthy, and the seconds that took. Raises Refusal."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith("GRACED_")}
        config = load(self._yaml, environ)
        began = time.monotonic()
        lock = starting.prepare(self.home, config, (), environ, lambda text: None)
        if lock is None:
            raise Refusal(f"somebody runs graced in {self.home.root} already")
        starting.launch(self.home, lock)
        outcome = starting.await_healthy(self.home, STARTED_S, lambda found: None)
        if outcome.why:
            raise Refusal(outcome.why)
        return self.look(), time.monotonic() - began

    def look(self) -> Status:
        """The status now; whoever is in it is remembered, to be looked for at the end."""
        found = status(self.home)
        pids = [*(member.pid for member in found.members.values()), *(kernel.pid for kernel in found.kernels.values())]
        for pid in pids:
            identity = proc.identify(pid) if pid else None
            if identity is not None:
                self.seen.add(identity)
        return found

    def until(self, well: Callable[[Status], bool], deadline: float) -> Status | None:
        """The first status that is well; None when there was none by then (by CLOCK_MONOTONIC)."""
        while True:
            found = self.look()
            if well(found):
                return found
            if time.monotonic() >= deadline:
                return None
            time.sleep(LOOK_S)

    # --- cheap facts

    def incarnation(self, member: str) -> int:
        record = read_record(self.home.lock(member))
        return record.incarnation if record is not None else 0

    def kernel_pid(self, name: str) -> int:
        """Of the newest run, as the spawner noted it at the birth; 0 while it is being born."""
        slot = slots.read(self.home.slot(name))
        return slot.run.pid if slot is not None else 0

    def number(self, file: str, index: int = 0) -> int:
        """What a kernel counted, from the file it keeps; 0 before it wrote any."""
        try:
            with open(os.path.join(self.folder, file), encoding="ascii") as text:
                return int(text.read().split()[index])
        except (OSError, ValueError, IndexError):
            return 0

    # --- the end

    def clear(self) -> float:
        """Stops everything; seconds. What `graced stop` cannot end is killed by pid, and its Refusal raised on."""
        began = time.monotonic()
        try:
            stop_all(self.home)
        finally:
            while (rest := self._marked()) and time.monotonic() - began < KILLED_S:
                for identity in rest:
                    proc.signal_identity(identity, signal.SIGKILL)
                time.sleep(LOOK_S)
        return time.monotonic() - began

    def left(self) -> list[int]:
        """Pids of whoever is alive of this home: by every mark that graced knows, and of all ever seen in a status."""
        alive = {*self._marked(), *(identity for identity in self.seen if proc.alive(identity))}
        return sorted(identity.pid for identity in alive)

    def _marked(self) -> list[Identity]:
        here = presences(self.home).values()
        members = [found.record.identity for found in here if found.record is not None and found.alive]
        return [found.identity for found in Census(self.home, members, {}).look()]

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
