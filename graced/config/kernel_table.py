"""Every key of a kernel: its shape, default and meaning. The table behind `kernels:` and `defaults:`."""

import os
from typing import Any, Final

from graced.config import words
from graced.config.cron import parse_cron
from graced.config.env_file import read_env_file
from graced.spec import config as s
from graced.yaml_source.node import Node
from graced.yaml_source.record import Key, Record, Tagged
from graced.yaml_source.scalars import Choice, Command, Flag, Number, PathTo, Text, Written, duration, size, whole
from graced.yaml_source.shape import INVALID, Either, ListOf, MapOf, Nullable, Reading, Shape, Spot, is_null

REPLICAS_LIMIT: Final = 1000
SHORTEST_S: Final = 0.001
"""Of a time that must not be zero."""

_COMMAND = Nullable(Command())
_PORT = Number(1, 65535, whole=True)
_SIGNAL = Text("a signal such as TERM or SIGTERM", words.signal_number, numbers=True)
_SOCKET = Text("PORT, HOST:PORT, [V6]:PORT or /PATH", words.socket, numbers=True)
_EXIT_CODES = ListOf(Number(0, 255, whole=True))


def _cron(text: str) -> str:
    parse_cron(text)
    return text


class EnvFile(PathTo):
    """A file of NAME=VALUE lines that is there and can be read."""

    def __init__(self) -> None:
        super().__init__(os.path.isfile, "a file")

    def read(self, spot: Spot, reading: Reading) -> Any:
        path = super().read(spot, reading)
        if path is INVALID:
            return INVALID
        try:
            read_env_file(path)
        except OSError as error:
            return reading.fault(spot, f"cannot be read: {error.strerror}")
        except ValueError as error:
            return reading.fault(spot, str(error))
        return path


class ScheduleShape(Shape):
    """A cron expression, or a mapping with one."""

    wants = "a cron expression, or a mapping with `cron`"
    text = Text("a cron expression", _cron)
    record = Record(
        s.Schedule,
        [
            Key("cron", text, None, "minute hour day month weekday, or @hourly, @daily, …"),
            Key("timezone", Nullable(Text("a time zone", words.timezone)), "null", "null: the machine's own"),
            Key("overlap", Choice("skip", "queue", "kill"), "skip", "what to do when the run before is not over"),
            Key("catch_up", Flag(), "false", "run once at start for runs that were missed"),
        ],
    )

    def read(self, spot: Spot, reading: Reading) -> Any:
        if spot.node.kind == "mapping":
            return self.record.read(spot, reading)
        if spot.node.kind != "scalar" or is_null(spot.node):
            return self.refuse(spot, reading)
        cron = self.text.read(spot, reading)
        return INVALID if cron is INVALID else s.Schedule(cron)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [self.text.schema(), self.record.schema()]}

    def surface(self, node: Node) -> Any:
        return self.record.surface(node) if node.kind == "mapping" else node.text


class DependencyShape(Either):
    def __init__(self) -> None:
        super().__init__(
            scalar=Text("the name of a kernel", numbers=True),
            mapping=Record(
                s.Dependency,
                [
                    Key("name", Text("the name of a kernel", numbers=True), None, "the kernel that is needed"),
                    Key("on_restart", Choice("ignore", "restart"), "ignore", "when that one was restarted"),
                    Key("on_failure", Choice("ignore", "stop"), "ignore", "when that one has failed for good"),
                ],
            ),
        )
        self.wants = "the name of a kernel, or a mapping with `name`"

    def read(self, spot: Spot, reading: Reading) -> Any:
        value = super().read(spot, reading)
        return s.Dependency(value) if isinstance(value, str) else value


class ReloadShape(Either):
    def __init__(self) -> None:
        super().__init__(
            scalar=Choice("restart"),
            mapping=Record(
                s.Reload,
                [
                    Key("signal", Nullable(_SIGNAL), "null", "the signal that makes it read its configuration anew"),
                    Key("command", _COMMAND, "null", "a command that does"),
                ],
            ),
        )
        self.wants = "restart, {signal: HUP} or {command: [...]}"

    def read(self, spot: Spot, reading: Reading) -> Any:
        if spot.node.kind == "scalar" and spot.node.text != "restart":
            return self.refuse(spot, reading)
        value = super().read(spot, reading)
        if isinstance(value, str):
            return s.Reload()
        if not isinstance(value, s.Reload):
            return value
        if (value.signal is None) == (value.command is None):
            return reading.fault(spot, "needs either `signal` or `command`")
        return s.Reload("signal" if value.command is None else "command", value.signal, value.command)


_URL = Key("url", Text("a URL", words.web_url), None, "what is asked for")
_STATUS = Key("status", words.Statuses(), "200-399", "the status codes that are well")
_TCP_PORT = Key("port", _PORT, None, "the port that must take a connection")
_HOST = Key("host", Text("a host"), "127.0.0.1", "the host of `port`")
_INTERVAL = Key("interval", duration(SHORTEST_S), "1s", "between two probes")
_EXEC = Key("command", Command(), None, "a command that must exit 0")

READY = Tagged(
    s.Ready,
    Key("when", Choice("started", "notify", "http", "tcp", "exec", "log", "exited"), "started", "when it is ready"),
    [Key("timeout", duration(SHORTEST_S), "30s", "not ready within this time: the start has failed")],
    {
        "started": [
            Key("for", Nullable(duration()), "null", "it has stayed up for so long; null: 500ms, 0 if it runs once"),
        ],
        "notify": [],
        "http": [_URL, _STATUS, _INTERVAL],
        "tcp": [_TCP_PORT, _HOST, _INTERVAL],
        "exec": [_EXEC, _INTERVAL],
        "log": [Key("pattern", Text("a regular expression", words.pattern), None, "a line of its output like this")],
        "exited": [],
    },
)

HEALTH = Tagged(
    s.Health,
    Key("kind", Choice("none", "notify", "heartbeat", "http", "tcp", "exec", "output"), "none", "how it is probed"),
    [
        Key("interval", duration(SHORTEST_S), "10s", "between two probes"),
        Key("timeout", duration(SHORTEST_S), "5s", "a probe that takes longer has failed"),
        Key("failures", whole(1), "3", "so many in a row: unhealthy"),
    ],
    {
        "none": [],
        "notify": [],
        "heartbeat": [],
        "http": [_URL, _STATUS],
        "tcp": [_TCP_PORT, _HOST],
        "exec": [_EXEC],
        "output": [Key("silence", duration(SHORTEST_S), None, "no line of output for this long: unhealthy")],
    },
)

BACKOFF = Record(
    s.Backoff,
    [
        Key("immediate", whole(), "2", "so many runs of less than 10s in the window are followed by no wait"),
        Key("initial", duration(), "100ms", "the first wait; 0: never one"),
        Key("factor", Number(1, 1000), "2", "each wait is so many times the one before"),
        Key("max", duration(), "30s", "the longest wait"),
        Key("jitter", Number(0, 1), "0.2", "the part of a wait that is left to chance"),
    ],
)
RESTART_KEYS: Final = (
    Key("max_restarts", whole(), "5", "within `window`; one more and the next rung of the ladder is taken"),
    Key("window", duration(SHORTEST_S), "60s", "the time in which restarts are counted"),
    Key("backoff", BACKOFF, "{}", "waits between restarts"),
    Key("give_up", Flag(), "false", "past the ladder; false: tried again every `backoff.max`"),
)

CPU = Record(
    s.CpuLimit,
    [
        Key("percent", Number(0.1, 1_000_000), None, "of one core"),
        Key("for", duration(SHORTEST_S), "60s", "for this long"),
    ],
)

KERNEL_KEYS: Final = (
    Key("command", Command(), None, "what to run: a list, or a string that is split as a shell splits words"),
    Key("cwd", PathTo(), ".", "the folder it runs in"),
    Key("env", MapOf(Written(), words.env_fault), "{}", "added to the environment; taken as written"),
    Key("env_file", Nullable(EnvFile()), "null", "a file of NAME=VALUE lines; `env` goes over it"),
    Key("user", Nullable(Text("the name or number of a user", numbers=True)), "null", "whom it runs as"),
    Key("group", Nullable(Text("the name or number of a group", numbers=True)), "null", "the group it runs as"),
    Key("umask", Nullable(Text("an octal number such as 022", words.umask, numbers=True)), "null", "umask(2)"),
    Key("nice", Nullable(Number(-20, 19, whole=True)), "null", "its scheduling priority, nice(2)"),
    Key("oom_score_adj", Nullable(Number(-1000, 1000, whole=True)), "null", "proc_pid_oom_score_adj(5)"),
    Key("autostart", Flag(), "true", "started with graced"),
    Key("critical", Flag(), "false", "watched by `trigger` as well"),
    Key("groups", ListOf(Text("a name", words.group_name, numbers=True), unique=str), "[]", "names for @GROUP"),
    Key("replicas", Number(0, REPLICAS_LIMIT, whole=True), "1", "more than one: NAME.0, NAME.1, …"),
    Key("schedule", Nullable(ScheduleShape()), "null", "run at these times only"),
    Key("depends_on", ListOf(DependencyShape(), unique=lambda d: d.name), "[]", "started after these are ready"),
    Key("ready", READY, "{when: started}", "when it counts as ready"),
    Key("health", HEALTH, "{kind: none}", "how its health is probed"),
    Key("restart", Choice("always", "on-failure", "never"), "always", "when it is started again"),
    Key("restarts", Nullable(Record(
        s.Restarts, RESTART_KEYS, {"parallel": "it is for all kernels: set it under the top-level `restarts`"},
    )), "null", "its own restart limits; null: those of all"),
    Key("exit_codes", Record(s.ExitCodes, [
        Key("ok", _EXIT_CODES, "[0]", "what on-failure takes for success"),
        Key("no_restart", _EXIT_CODES, "[]", "what goes straight to the next rung"),
    ]), "{}", "what its exit codes mean"),
    Key("limits", Record(s.Limits, [
        Key("memory", Nullable(size(1)), "null", "such as 512M"),
        Key("cpu", Nullable(CPU), "null", "more than `percent` of a core `for` this long"),
        Key("open_files", Nullable(whole(1)), "null", "RLIMIT_NOFILE"),
    ]), "{}", "what it may use"),
    Key("stop", Record(s.Stop, [
        Key("signal", _SIGNAL, "TERM", "what asks it to end"),
        Key("to", Choice("main", "tree"), "main", "whom the signal goes to: its first process, or all of it"),
        Key("timeout", duration(), "10s", "then KILL, to the whole tree"),
        Key("command", _COMMAND, "null", "run before the signal, with its first process as $MAINPID"),
    ]), "{}", "how it is stopped"),
    Key("reload", ReloadShape(), "restart", "what `graced reload NAME` does"),
    Key("restart_mode", Choice("stop_first", "overlap"), "stop_first", "overlap: no gap between old and new"),
    Key("hooks", Record(s.Hooks, [
        Key("before_start", _COMMAND, "null", "before each start"),
        Key("after_ready", _COMMAND, "null", "once it is ready"),
        Key("after_exit", _COMMAND, "null", "after each exit"),
    ]), "{}", "commands around its life"),
    Key("when_done", Choice("keep", "stop_all"), "keep", "when it ends well"),
    Key("when_failed", Choice("keep", "stop_all"), "keep", "when it fails for good"),
    Key("sockets", ListOf(_SOCKET, unique=lambda socket: socket.spec), "[]", "listening sockets that are held for it"),
    Key("sources", ListOf(PathTo()), "[]", "its code: kept when healthy, mended in a crash loop"),
    Key("ladder", ListOf(Text("a rung or the name of a playbook")), "[restart, fix_source, restore_source, notify]",
        "what is tried, in order, when it does not hold"),
    Key("log", Record(s.Log, [
        Key("to", Choice("file", "stdout", "journal"), "file", "where its output goes"),
        Key("max_size", size(1), "10M", "rotated past this size"),
        Key("keep", whole(), "5", "rotated files that are kept"),
        Key("max_age", Nullable(duration(SHORTEST_S)), "null", "older ones are removed"),
    ]), "{}", "what happens to its output"),
)  # fmt: skip

KERNEL = Record(
    dict, KERNEL_KEYS, {"name": "its key under `kernels` is its name", "args": "they are part of `command`"}
)
