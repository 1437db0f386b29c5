"""A PID namespace whose first process is `graced start --foreground`."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from support.deadlines import until
from support.home import CLI, FAST, Graced
from support.witness import ROLES

NEW_USER: Final = () if os.geteuid() == 0 else ("-Ur",)
UNSHARE: Final = ("unshare", *NEW_USER, "--pid", "--fork", "--mount-proc", "--kill-child")
START_S: Final = 30.0
RECOVERY_S: Final = 10.0


class Container:
    """`write`, `start`, then look at it from outside by the pids that the namespace gives."""

    def __init__(self, folder: Path) -> None:
        self.graced = Graced(folder)
        self.home = self.graced.home
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, kernels: Mapping[str, Any]) -> None:
        self.graced.write({"kernels": kernels, "timing": FAST})
        command = self.graced.command("start", "--foreground")
        assert CLI in command
        self.output = open(self.graced.folder / "output", "wb")  # noqa: SIM115
        self.process = subprocess.Popen(
            [*UNSHARE, *command], stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output,
            env=self.graced.environ, cwd=self.graced.folder,
        )  # fmt: skip
        until(self.whole, START_S, self.story)

    # --- who is there

    def init(self) -> int:
        """The first process, by its pid out here."""
        assert self.process is not None
        below = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(below[0])

    def pids(self) -> dict[int, int]:
        """pid inside -> pid outside, of all in the namespace, zombies included."""
        space = os.readlink(f"/proc/{self.init()}/ns/pid")
        found: dict[int, int] = {}
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            with contextlib.suppress(OSError):
                status = Path(f"/proc/{name}/status").read_text()
                numbers = next((line for line in status.splitlines() if line.startswith("NSpid:")), "").split()[1:]
                if len(numbers) > 1 and self._space(int(name), space):
                    found[int(numbers[-1])] = int(name)
        return found

    def _space(self, pid: int, space: str) -> bool:
        try:
            return os.readlink(f"/proc/{pid}/ns/pid") == space
        except OSError:  # a zombie has none; what it was below tells
            return True

    def state(self, pid: int) -> str:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return "X"

    def zombies(self) -> list[int]:
        return [inside for inside, pid in self.pids().items() if self.state(pid) == "Z"]

    def record(self, role: str) -> dict[str, Any]:
        return dict(json.loads((self.home / "run" / f"{role}.lock").read_bytes()))

    def whole(self, newer: Mapping[str, int] | None = None) -> bool:
        """All roles are held by living processes, those in `newer` by later incarnations; kernels live."""
        try:
            pids, records = self.pids(), {role: self.record(role) for role in ROLES}
        except (OSError, ValueError, IndexError):
            return False
        if any(records[role]["incarnation"] <= count for role, count in (newer or {}).items()):
            return False
        return all(self.state(pids.get(record["pid"], -1)) not in "XZ" for record in records.values())

    # --- what is done

    def signal(self, number: int) -> None:
        """To the first process."""
        os.kill(self.init(), number)

    def kill(self, *roles: str) -> dict[str, int]:
        """kill -9 of members; their incarnations."""
        pids = self.pids()
        records = {role: self.record(role) for role in roles}
        for record in records.values():
            os.kill(pids[record["pid"]], signal.SIGKILL)
        return {role: record["incarnation"] for role, record in records.items()}

    def wait(self, limit_s: float = START_S) -> int:
        """The exit code, as a container runtime sees it."""
        assert self.process is not None
        return self.process.wait(limit_s)

    def story(self) -> str:
        return (self.graced.folder / "output").read_text(errors="replace") + self.graced.story()

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(OSError, IndexError):
                os.kill(self.init(), signal.SIGKILL)  # the kernel ends everyone with it
            self.process.kill()
            self.process.wait()
        self.graced.close()
