"""The configuration as members hold it: typed, with every default filled in, paths absolute.

Made by `graced.config.load` from graced.yaml, kept in the home as JSON, read back from there without YAML.
Names ending in `_s` are seconds, in `_bytes` bytes. Light on purpose: every member imports this.
"""

from typing import Final, Literal

import msgspec
from msgspec import Struct

Argv = tuple[str, ...]

DEFAULT_HOME: Final = ".graced"
PLACES: Final = ("graced.yaml", "/etc/graced/graced.yaml")
"""Where a configuration is looked for that nobody names."""


class Timing(Struct, frozen=True):
    heartbeat_interval_s: float = 1.0
    heartbeat_timeout_s: float = 30.0
    check_interval_s: float = 10.0
    emergency_confirm_s: float = 60.0


class Backoff(Struct, frozen=True):
    """No wait after a run of 10 s or more, nor for the first `immediate` shorter ones in the window; then `initial_s`,
    times `factor`, up to `max_s`. `initial_s` 0: never a wait."""

    immediate: int = 2
    initial_s: float = 0.1
    factor: float = 2.0
    max_s: float = 30.0
    jitter: float = 0.2


class Restarts(Struct, frozen=True):
    """`parallel`: at most so many kernels are being started at once (None: no limit); only the top-level one counts.

    `give_up`: past the ladder a kernel is not tried again every `backoff.max_s`.
    """

    max_restarts: int = 5
    window_s: float = 60.0
    backoff: Backoff = Backoff()
    parallel: int | None = None
    give_up: bool = False


class Watch(Struct, frozen=True):
    """`python`: the interpreter for which what is under `path` must compile; None: that of the kernel which runs
    it, else graced's own."""

    path: str
    python: str | None = None


class Backend(Struct, frozen=True):
    """Either `command`, or `url` and `model` of an OpenAI-compatible endpoint; `key_env` names a variable."""

    command: Argv | None = None
    url: str | None = None
    model: str | None = None
    key_env: str | None = None


class CodingAgent(Struct, frozen=True):
    """`min_confidence`: the probability that the author would accept the fix as it is. `settle_s`: a file is mended
    once it was left alone for so long."""

    watch: tuple[Watch, ...] = ()
    exclude: tuple[str, ...] = ()
    apply: Literal["fix", "suggest", "off"] = "fix"
    min_confidence: float = 0.9
    settle_s: float = 5.0
    probation_s: float = 600.0
    verify: Argv | None = None
    backend: Backend | None = None


class Schedule(Struct, frozen=True):
    cron: str
    timezone: str | None = None
    overlap: Literal["skip", "queue", "kill"] = "skip"
    catch_up: bool = False


class Dependency(Struct, frozen=True):
    name: str
    on_restart: Literal["ignore", "restart"] = "ignore"
    on_failure: Literal["ignore", "stop"] = "ignore"


class Ready(Struct, frozen=True):
    """When a kernel counts as ready. `timeout_s`: within this time in all; `interval_s`: between two probes.

    `for_s`: of `started`, how long it must have stayed up; None: see graced.spec.ready.
    `status`: ranges of HTTP codes, both ends included. Fields of other kinds keep their defaults.
    """

    when: Literal["started", "notify", "http", "tcp", "exec", "log", "exited"] = "started"
    timeout_s: float = 30.0
    interval_s: float = 1.0
    url: str | None = None
    status: tuple[tuple[int, int], ...] = ((200, 399),)
    port: int | None = None
    host: str = "127.0.0.1"
    command: Argv | None = None
    pattern: str | None = None
    for_s: float | None = None


class Health(Struct, frozen=True):
    """`failures` probes in a row, each at most `timeout_s` long, `interval_s` apart: unhealthy."""

    kind: Literal["none", "notify", "heartbeat", "http", "tcp", "exec", "output"] = "none"
    interval_s: float = 10.0
    timeout_s: float = 5.0
    failures: int = 3
    url: str | None = None
    status: tuple[tuple[int, int], ...] = ((200, 399),)
    port: int | None = None
    host: str = "127.0.0.1"
    command: Argv | None = None
    silence_s: float | None = None


class ExitCodes(Struct, frozen=True):
    ok: tuple[int, ...] = (0,)
    no_restart: tuple[int, ...] = ()


class CpuLimit(Struct, frozen=True):
    """More than `percent` of one core for `for_s`."""

    percent: float
    for_s: float = 60.0


class Limits(Struct, frozen=True):
    memory_bytes: int | None = None
    cpu: CpuLimit | None = None
    open_files: int | None = None


class Stop(Struct, frozen=True):
    """`command`, if any, is run first; then `signal` (a number) to the first process or, `to` "tree", to all of them;
    after `timeout_s` KILL to the whole tree."""

    signal: int = 15
    to: Literal["main", "tree"] = "main"
    timeout_s: float = 10.0
    command: Argv | None = None


class Reload(Struct, frozen=True):
    how: Literal["restart", "signal", "command"] = "restart"
    signal: int | None = None
    command: Argv | None = None


class Hooks(Struct, frozen=True):
    before_start: Argv | None = None
    after_ready: Argv | None = None
    after_exit: Argv | None = None


class Socket(Struct, frozen=True):
    """One listening socket. `host` None: all addresses; `path`: a Unix socket, and then no port."""

    spec: str
    host: str | None = None
    port: int | None = None
    path: str | None = None


class Log(Struct, frozen=True):
    """`keep`: rotated files kept beside the live one, for no longer than `max_age_s`."""

    to: Literal["file", "stdout", "journal"] = "file"
    max_size_bytes: int = 10 * 1024 * 1024
    keep: int = 5
    max_age_s: float | None = None


class Kernel(Struct, frozen=True):
    """One process of the user's. `env` goes over what `env_file` says, both over the inherited environment.

    `restarts`: its own, complete; None: those of the whole configuration. `replica_of`: the name in graced.yaml
    of which this is a copy (see `graced.spec.replicas`).
    """

    name: str
    command: Argv
    cwd: str = "/"
    env: dict[str, str] = {}
    env_file: str | None = None
    user: str | None = None
    group: str | None = None
    umask: int | None = None
    nice: int | None = None
    oom_score_adj: int | None = None
    autostart: bool = True
    critical: bool = False
    groups: tuple[str, ...] = ()
    replicas: int = 1
    schedule: Schedule | None = None
    depends_on: tuple[Dependency, ...] = ()
    ready: Ready = Ready()
    health: Health = Health()
    restart: Literal["always", "on-failure", "never"] = "always"
    restarts: Restarts | None = None
    exit_codes: ExitCodes = ExitCodes()
    limits: Limits = Limits()
    stop: Stop = Stop()
    reload: Reload = Reload()
    restart_mode: Literal["stop_first", "overlap"] = "stop_first"
    hooks: Hooks = Hooks()
    when_done: Literal["keep", "stop_all"] = "keep"
    when_failed: Literal["keep", "stop_all"] = "keep"
    sockets: tuple[Socket, ...] = ()
    sources: tuple[str, ...] = ()
    ladder: tuple[str, ...] = ("restart", "fix_source", "restore_source", "notify")
    log: Log = Log()
    replica_of: str | None = None


class Anchor(Struct, frozen=True):
    """Where the head of the audit log is told outside of the home: exactly one of the three."""

    file: str | None = None
    command: Argv | None = None
    log: Literal["journal", "syslog"] | None = None


class Audit(Struct, frozen=True):
    anchor: Anchor | None = None


class Config(Struct, frozen=True):
    """`source`: the file, None without one; `folder`: what relative paths were relative to. Both absolute.

    `left_out`: kernels that start by themselves, but were not among those that the start was for; in `kernels` they
    do not.
    """

    home: str
    version: int = 1
    timing: Timing = Timing()
    restarts: Restarts = Restarts()
    playbooks: tuple[str, ...] = ()
    coding_agent: CodingAgent = CodingAgent()
    notify: tuple[str, ...] = ()
    audit: Audit = Audit()
    kernels: dict[str, Kernel] = {}
    source: str | None = None
    folder: str = "/"
    left_out: tuple[str, ...] = ()


def to_json(config: Config) -> bytes:
    """The configuration as it is kept in the home."""
    return msgspec.json.encode(config)


def from_json(data: bytes) -> Config:
    """Read back what `to_json` wrote, by this version or another: unknown keys are passed over, missing ones are
    at their defaults. Raises msgspec.DecodeError (or its kin msgspec.ValidationError) for anything else."""
    try:
        return msgspec.json.decode(data, type=Config)
    except UnicodeDecodeError as error:  # which is none of the two
        raise msgspec.DecodeError(str(error)) from None
