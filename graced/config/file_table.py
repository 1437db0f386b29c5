"""Every key of graced.yaml outside of kernels: its shape, default and meaning."""

import os
from typing import Any, Final

from graced.config import words
from graced.config.kernel_table import KERNEL, RESTART_KEYS
from graced.spec import config as s
from graced.yaml_source.node import Node
from graced.yaml_source.record import Key, Record
from graced.yaml_source.scalars import Choice, Command, Number, PathTo, Text, duration, whole
from graced.yaml_source.shape import Either, ListOf, MapOf, Nullable, Reading, Shape, Spot

VERSION: Final = 1
PYTHON: Final = "the interpreter it must compile for; null: that of the kernel which runs it, else graced's own"
SHORTEST_INTERVAL_S: Final = 0.01
"""Of heartbeats: shorter ones cost more than they tell."""


class Version(Number):
    def __init__(self) -> None:
        super().__init__(VERSION, VERSION, whole=True)
        self.wants = f"version {VERSION}, the only one so far"


class Partial(Shape):
    """A Record none of whose keys is required: it is read for its mistakes alone."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.wants = record.wants

    def read(self, spot: Spot, reading: Reading) -> Any:
        self.record.read(spot, Reading(reading.problems, partial=True))
        return None

    def schema(self) -> dict[str, Any]:
        schema = self.record.schema()
        schema.pop("required", None)
        return schema


class WatchShape(Either):
    def __init__(self) -> None:
        super().__init__(
            scalar=PathTo(),
            mapping=Record(
                s.Watch,
                [
                    Key("path", PathTo(), None, "a folder or file"),
                    Key("python", Nullable(Text("an interpreter")), "null", PYTHON),
                ],
            ),
        )
        self.wants = "a path, or {path, python}"

    def read(self, spot: Spot, reading: Reading) -> Any:
        value = super().read(spot, reading)
        return s.Watch(value) if isinstance(value, str) else value


class BackendShape(Shape):
    """{command} or {url, model, key_env}."""

    wants = "{command: [...]} or {url: ..., model: ..., key_env: ...}"
    by_command = Record(s.Backend, [Key("command", Command(), None, "gets the task as JSON, answers with a diff")])
    by_url = Record(
        s.Backend,
        [
            Key("url", Text("a URL", words.web_url), None, "of an OpenAI-compatible endpoint"),
            Key("model", Text("the name of a model", numbers=True), None, "what it is asked for"),
            Key("key_env", Nullable(Text("a name")), "null", "the environment variable that holds the key"),
        ],
        {"command": "either `command` or `url`, not both"},
    )

    def _record(self, keys: set[str]) -> Record | None:
        if "url" in keys or "model" in keys or "key_env" in keys:
            return self.by_url
        return self.by_command if "command" in keys else None

    def read(self, spot: Spot, reading: Reading) -> Any:
        if spot.node.kind != "mapping":
            return self.refuse(spot, reading)
        record = self._record({key.text for key, _ in spot.node.pairs})
        if record is None:
            return reading.fault_key(spot, "needs either `command` or `url`", f"write {self.wants}")
        return record.read(spot, reading)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [self.by_command.schema(), self.by_url.schema()]}

    def surface(self, node: Node) -> Any:
        record = self._record({key.text for key, _ in node.pairs})
        return record.surface(node) if record else node.value()


class AnchorShape(Either):
    """`journal`, `syslog`, a path, or {command}."""

    def __init__(self) -> None:
        super().__init__(
            scalar=PathTo(),
            mapping=Record(s.Anchor, [Key("command", Command(), None, "gets a line of JSON on its standard input")]),
        )
        self.wants = "journal, syslog, a file to append to, or {command: [...]}"

    def read(self, spot: Spot, reading: Reading) -> Any:
        if spot.node.kind == "scalar" and spot.node.value() in ("journal", "syslog"):
            return s.Anchor(log=spot.node.value())
        value = super().read(spot, reading)
        return s.Anchor(file=value) if isinstance(value, str) else value


TIMING = Record(
    s.Timing,
    [
        Key("heartbeat_interval", duration(SHORTEST_INTERVAL_S), "1s", "between two heartbeats of a member"),
        Key("heartbeat_timeout", duration(SHORTEST_INTERVAL_S), "30s", "a member that is silent for longer is down"),
        Key("check_interval", duration(SHORTEST_INTERVAL_S), "10s", "how often a full health round runs"),
        Key("emergency_confirm", duration(), "60s", "both healers silent for this long past the timeout: emergency"),
    ],
)
RESTARTS = Record(
    s.Restarts,
    [*RESTART_KEYS, Key("parallel", Nullable(whole(1)), "null", "so many are being started at once; null: no limit")],
)
CODING_AGENT = Record(
    s.CodingAgent,
    [
        Key("watch", ListOf(WatchShape()), "[]", "folders and files whose Python source is scanned"),
        Key("exclude", ListOf(Text("a gitignore pattern", numbers=True)), "[]", "gitignore patterns; never mended"),
        Key("apply", Choice("fix", "suggest", "off"), "fix", "what the daemon does with a fix"),
        Key(
            "min_confidence",
            Number(0, 1),
            "0.9",
            "the probability that its author would accept the fix as it is; below it a fix is suggested, not applied",
        ),
        Key(
            "settle",
            duration(),
            "5s",
            "a file is mended once it was left alone for so long; at once when a kernel crashed over it",
        ),
        Key("probation", duration(), "10m", "a fix that does not hold for so long is taken back, byte for byte"),
        Key(
            "verify", Nullable(Command()), "null", "a command that must exit 0 before a fix stands, of `graced fix` too"
        ),
        Key("backend", Nullable(BackendShape()), "null", "optional: a command or an endpoint that proposes fixes"),
    ],
)
AUDIT = Record(
    s.Audit,
    [
        Key(
            "anchor",
            Nullable(AnchorShape()),
            "null",
            "where the head of the log is told outside of the home, each minute",
        )
    ],
)
FILE = Record(
    dict,
    [
        Key("version", Version(), "1", "of this format"),
        Key("include", ListOf(Text("a path or glob"), limit=1000), "[]", "more files or globs, merged in order"),
        Key("home", PathTo(), ".graced", "state, logs, audit, sockets; --home and $GRACED_HOME override it"),
        Key("timing", TIMING, "{}", "heartbeats and health rounds"),
        Key("restarts", RESTARTS, "{}", "limits on restarts of kernels"),
        Key("playbooks", ListOf(PathTo(os.path.isdir, "a folder")), "[]", "more folders of playbooks"),
        Key("coding_agent", CODING_AGENT, "{}", "the member that mends code"),
        Key("notify", ListOf(Text("an Apprise URL", words.notify_url)), "[]", "for what is escalated to a human"),
        Key("audit", AUDIT, "{}", "the audit log"),
        Key("defaults", Partial(KERNEL), "{}", "kernel keys that every kernel starts from"),
        Key("kernels", MapOf(
            KERNEL, words.name_fault, lambda name, fields: s.Kernel(name=name, **fields), words.NAME_PATTERN,
        ), "{}", "the processes to run, by name"),
    ],
    wants="a mapping with keys such as `kernels`",
)  # fmt: skip
