"""One home under test, used as a person uses it: graced.yaml, the command line, files of the home, signals."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from graced.home.paths import Home as Paths
from graced.status.now import status as ask_status
from support import kernels as scripts
from support import procs
from support.deadlines import until
from support.procs import Identity
from support.witness import ROLES, Witness

FAST: Final = {
    "heartbeat_interval": "100ms",
    "heartbeat_timeout": "1s",
    "check_interval": "1s",
    "emergency_confirm": "1s",
}
EAGER: Final = {"settle": "0s", "min_confidence": 0.01}
"""Of the coding agent, for tests of how a fix is put in place: it does not wait, and is easily sure."""
HEALERS: Final = ("self_healing", "coding_agent")
CLI: Final = "from graced.cli.main import main; main()"
CLI_S: Final = 120.0
CRASH: Final = re.compile(r"\(src/\w+\.cpp:\d+\)|^Traceback ")
CRASH_LINES: Final = 25
RECOVERY_S: Final = 3.0
"""All healthy after any number of deaths, by the contract."""

Status = dict[str, Any]


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


class Graced:
    """A folder with a graced.yaml and its home. `close` kills whatever is left of it, whatever the test did."""

    def __init__(self, folder: Path, config: Mapping[str, Any] | None = None, *, home: Path | None = None) -> None:
        self.folder = folder
        self.home = home or folder / "home"
        self.yaml = folder / "graced.yaml"
        self.environ = {k: v for k, v in os.environ.items() if not k.startswith(("GRACED_", "PYTEST_", "NOTIFY_"))}
        self.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        self.witness = Witness(self.home)
        self.crash_wanted = False
        self.write(config or {})

    # --- configuration

    def move(self, home: Path) -> None:
        """Before the start: the home is elsewhere. `write` comes next."""
        self.home = home
        home.parent.mkdir(parents=True, exist_ok=True)
        self.witness = Witness(home)

    def write(self, config: Mapping[str, Any]) -> None:
        """JSON is YAML. `timing`, `home` and EAGER are filled in."""
        agent = {**EAGER, **config.get("coding_agent", {})}
        whole = {"home": str(self.home), "timing": FAST, **config, "coding_agent": agent}
        self.yaml.write_text(json.dumps(whole, indent=1))

    def counter(self, name: str, **keys: Any) -> dict[str, Any]:
        return scripts.counter(self.counter_file(name), **keys)

    def counter_file(self, name: str) -> Path:
        return self.folder / f"{name}.count"

    # --- commands

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-P", "-c", CLI, "--config", str(self.yaml), *words]

    def spawn(self, *words: str, environ: Mapping[str, str] | None = None) -> "subprocess.Popen[str]":
        """A command under way."""
        return subprocess.Popen(
            self.command(*words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**self.environ, **(environ or {})}, cwd=self.folder,
        )  # fmt: skip

    def run(self, *words: str, environ: Mapping[str, str] | None = None, limit_s: float = CLI_S) -> Done:
        """A command to its end. It must close what it was given: pipes held by a daemon would never end."""
        return finish(self.spawn(*words, environ=environ), limit_s)

    def ok(self, *words: str, environ: Mapping[str, str] | None = None) -> Done:
        """A command that must succeed."""
        done = self.run(*words, environ=environ)
        assert done.code == 0, f"graced {' '.join(words)}: exit {done.code}\n{done.out}\n{done.err}\n{self.story()}"
        return done

    def start(self, *names: str, environ: Mapping[str, str] | None = None) -> Done:
        self.witness.start()
        return self.ok("start", *names, environ=environ)

    def status(self) -> Status:
        """As the command prints it, but without a new interpreter for each look."""
        plain: Status = msgspec.json.decode(msgspec.json.encode(ask_status(Paths(str(self.home)))))
        return plain

    def told(self) -> tuple[int, Status]:
        """`graced status --json` itself: exit code and object."""
        done = self.run("status", "--json")
        assert done.out, f"status printed nothing: {done.err}"
        return done.code, json.loads(done.out)

    # --- who is there

    def pid(self, name: str) -> int:
        """Of a member or kernel, by status; 0 when it has none."""
        found = self.status()
        row = found["members"].get(name) or found["kernels"][name]
        return row["pid"] or 0

    def member(self, role: str) -> Identity:
        """The living holder of a role, by its lock file."""
        record = self.lock(role)
        identity = Identity(record["pid"], record["start_ticks"])
        assert procs.alive(identity), f"{role} is not alive"
        return identity

    def lock(self, role: str) -> dict[str, Any]:
        path = self.home / "run" / f"{role}.lock"

        def record() -> dict[str, Any] | None:
            with contextlib.suppress(ValueError):  # blank, or half way in a write
                return dict(json.loads(path.read_bytes()))
            return None

        return until(record, 2.0, f"a record in {path}")

    def slot(self, name: str) -> dict[str, Any]:
        """A kernel's newest run, as the spawner stored it."""
        return dict(json.loads((self.home / "kernels" / f"{name}.slot").read_bytes())["run"])

    def kernel(self, name: str) -> Identity:
        identity = procs.identify(self.pid(name))
        assert identity is not None, f"{name} is not running"
        return identity

    def incarnations_of(self, role: str) -> int:
        return int(self.lock(role)["incarnation"])

    def incarnations(self) -> dict[str, int]:
        return {role: self.lock(role)["incarnation"] for role in ROLES}

    # --- signals

    def signal(self, sig: int, *roles: str) -> dict[str, Identity]:
        """All of them in one go; who they were."""
        targets = {role: self.member(role) for role in roles}
        with self.witness.still(), undisturbed():
            for identity in targets.values():
                os.kill(identity.pid, sig)
        return targets

    def kill(self, *roles: str) -> dict[str, Identity]:
        return self.signal(signal.SIGKILL, *roles)

    # --- conditions

    def await_healthy(
        self, limit_s: float = RECOVERY_S, *, newer: Mapping[str, int] | None = None, began: float | None = None
    ) -> float:
        """Until status is healthy and each member of `newer` has a greater incarnation; seconds since `began`."""
        began = time.monotonic() if began is None else began
        last: Status = {}

        def well() -> bool:
            nonlocal last
            last = self.status()
            over = all(last["members"][role]["incarnation"] > count for role, count in (newer or {}).items())
            return bool(last["healthy"]) and over

        until(well, limit_s, lambda: f"healthy, newer than {newer}\n{brief(last)}\n{self.story()}")
        return time.monotonic() - began

    def await_members(self, newer: Mapping[str, int], limit_s: float = RECOVERY_S) -> None:
        """Until each of these roles is held by a living process with a greater incarnation."""

        def held() -> bool:
            records = {role: self.lock(role) for role in newer}
            return all(
                record["incarnation"] > newer[role] and procs.alive(Identity(record["pid"], record["start_ticks"]))
                for role, record in records.items()
            )

        until(held, limit_s, lambda: f"members newer than {newer}\n{self.story()}", 0.001)

    def await_kernel(self, name: str, condition: Any, limit_s: float = RECOVERY_S) -> Status:
        """Until `condition` holds for the kernel's row of status; that row."""
        row: Status = {}

        def well() -> bool:
            nonlocal row
            row = self.status()["kernels"][name]
            return bool(condition(row))

        until(well, limit_s, lambda: f"{name}: {row}\n{self.story()}")
        return row

    def growing(self, *names: str, limit_s: float = 1.0) -> None:
        """Each counter grows."""
        sizes = {name: self.count(name) for name in names}
        until(lambda: all(self.count(n) > was for n, was in sizes.items()), limit_s, f"counters grow: {names}")

    def count(self, name: str) -> int:
        with contextlib.suppress(FileNotFoundError):
            return self.counter_file(name).stat().st_size
        return 0

    # --- what is written

    def audit(self) -> list[dict[str, Any]]:
        """Every whole record, oldest first."""
        records: list[dict[str, Any]] = []
        for path in sorted((self.home / "audit").glob("[0-9]*.jsonl")):
            for line in path.read_bytes().split(b"\n"):
                with contextlib.suppress(ValueError):
                    records.append(json.loads(line))
        return records

    def audited(self, kind: str, **data: Any) -> list[dict[str, Any]]:
        """The records of a kind that have all of `data`."""
        records = (record for record in self.audit() if record["kind"] == kind)
        return [record for record in records if data.items() <= record["data"].items()]

    def story(self, count: int = 25) -> str:
        """The end of the audit log and of the members' logs, for a failed test."""
        lines = [
            f"  {r['at']} {r['member']}/{r['incarnation']} {r['kind']} {json.dumps(r['data'])[:200]}"
            for r in self.audit()[-count:]
        ]
        for role in ROLES:
            text = procs.slurp(str(self.home / "logs" / f"{role}.log")).decode(errors="replace").splitlines()
            lines += [f"  {role}.log: {line}" for line in text[-8:]]
        return "\n".join(lines)

    # --- the end

    def stop_and_prove(self) -> None:
        """`graced stop` leaves nothing; nothing forbidden was seen; the audit's chain is whole."""
        done = self.run("stop")
        assert done.code == 0, f"stop: exit {done.code} {done.out} {done.err}"
        self.prove_nothing_left()
        self.prove_clean()

    def prove_nothing_left(self) -> None:
        strays = [f"{i.pid} {procs.title(i.pid)} ({self.witness.seen.get(i)})" for i in self.witness.strays()]
        assert not strays, f"left after stop: {strays}"

    def prove_clean(self) -> None:
        assert not self.witness.breaches, "\n".join([*self.witness.breaches, self.story(40)])
        assert not self.crashes(), "\n".join([*self.crashes(), self.story(40)])
        verified = self.run("audit", "verify")
        assert verified.code == 0, f"audit verify: exit {verified.code} {verified.out} {verified.err}"

    def crashes(self) -> list[str]:
        """Lines of members' logs that tell of an end by a bug: libzmq's assertions, Python's tracebacks."""
        found: list[str] = []
        for role in ROLES:
            lines = procs.slurp(str(self.home / "logs" / f"{role}.log")).decode(errors="replace").splitlines()
            for index, line in enumerate(lines):
                if CRASH.search(line) and not self.crash_wanted:
                    found += [f"{role}.log: {text}" for text in lines[index : index + CRASH_LINES]]
        return found

    def close(self) -> None:
        """Frozen first, so that nobody heals meanwhile; then killed, until nobody is left."""
        self.witness.close()
        give_up = time.monotonic() + 30
        while (left := self.witness.strays()) and time.monotonic() < give_up:
            for sig in (signal.SIGSTOP, signal.SIGKILL):
                for identity in left:
                    procs.send(identity, sig)
            time.sleep(0.01)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Nobody else runs on this core meanwhile: on a busy machine `at once` would else take tens of milliseconds."""
    policy, param = os.sched_getscheduler(0), os.sched_getparam(0)
    with contextlib.suppress(PermissionError):  # only root may; others are as quick as they can be
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    try:
        yield
    finally:
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(0, policy, param)


def finish(process: "subprocess.Popen[str]", limit_s: float = CLI_S) -> Done:
    """Waits for a command; kills it when it takes too long."""
    try:
        out, err = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"{process.args!r} did not end within {limit_s:g} s\n{out}\n{err}") from None
    return Done(process.returncode, out, err)


def brief(found: Status) -> str:
    """A status in a few lines."""
    if not found:
        return "no status"
    rows = [
        f"  {name}: {row['state']} pid {row['pid']} #{row.get('incarnation', row.get('run'))} "
        f"{row.get('detail') or row.get('reason') or ''}"
        for rows in (found["members"], found["kernels"])
        for name, row in rows.items()
    ]
    return "\n".join([f"  mode {found['mode']}, healthy {found['healthy']}, source {found['source']}", *rows])


def others(roles: Sequence[str]) -> list[str]:
    return [role for role in ROLES if role not in roles]
