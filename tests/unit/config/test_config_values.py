"""What graced.yaml means once it is loaded."""

import os
import pathlib
import signal
import sys
from typing import Any

import msgspec
import pytest

from graced.config.env_file import read_env_file
from graced.config.file_table import FILE
from graced.config.kernel_table import KERNEL
from graced.config.load import ConfigError, find, load
from graced.spec import config as schema
from graced.spec.config import (
    Backoff,
    Config,
    Dependency,
    Kernel,
    Restarts,
    Schedule,
    Socket,
    Watch,
    from_json,
    to_json,
)


def config(folder: pathlib.Path, text: str, environ: dict[str, str] | None = None) -> Config:
    (folder / "graced.yaml").write_text(text)
    return load(str(folder / "graced.yaml"), environ or {})


def kernel(folder: pathlib.Path, text: str, environ: dict[str, str] | None = None) -> Kernel:
    return config(folder, f"kernels:\n  k: {text}\n", environ).kernels["k"]


def test_the_defaults_of_the_table_are_those_of_the_structs(tmp_path: pathlib.Path) -> None:
    loaded = config(tmp_path, "kernels: {k: {command: x}}\n")
    plain = Config(home=str(tmp_path / ".graced"), source=str(tmp_path / "graced.yaml"), folder=str(tmp_path))
    assert msgspec.structs.replace(loaded, kernels={}) == plain
    assert loaded.kernels["k"] == Kernel("k", ("x",), cwd=str(tmp_path))


def test_every_field_of_the_structs_is_in_the_table() -> None:
    made = {"name", "replica_of"}
    assert {key.field for key in KERNEL.keys.values()} == set(Kernel.__struct_fields__) - made
    fields = {key.field for key in FILE.keys.values()} - {"include", "defaults"}
    assert fields == set(Config.__struct_fields__) - {"source", "folder", "left_out"}


def test_without_a_file_there_are_defaults_and_no_kernels(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(None, {}) == Config(home=str(tmp_path / ".graced"), folder=str(tmp_path))


@pytest.mark.parametrize(
    "text", ["", "---\n", "# nothing\n", "kernels:\n", "timing:\nrestarts:\ninclude:\n", "\ufeffversion: 1\n"]
)
def test_what_is_left_blank_is_at_its_default(tmp_path: pathlib.Path, text: str) -> None:
    assert config(tmp_path, text).kernels == {}


def test_numbers_and_booleans_are_taken_as_written(tmp_path: pathlib.Path) -> None:
    k = kernel(
        tmp_path,
        "{command: [run, 1.10, yes, 0o17, 1_000, 2026-01-01, 12:30:00],"
        " env: {A: 1.10, B: yes, C: 007, D: , E: '', F: 1e3}}",
    )
    assert k.command == ("run", "1.10", "yes", "0o17", "1_000", "2026-01-01", "12:30:00")
    assert k.env == {"A": "1.10", "B": "yes", "C": "007", "D": "", "E": "", "F": "1e3"}


def test_a_command_is_split_as_a_shell_splits_words(tmp_path: pathlib.Path) -> None:
    assert kernel(tmp_path, """{command: "a 'b c' d\\\\ e 1.10"}""").command == ("a", "b c", "d e", "1.10")
    assert kernel(tmp_path, "{command: 5}").command == ("5",)


def test_the_environment_is_put_in(tmp_path: pathlib.Path) -> None:
    env = {"PORT": "8080", "NAME": "x: y # z", "EMPTY": "", "NICE": "7"}
    k = kernel(
        tmp_path,
        "\n    command: [a, '${NAME}', '${EMPTY}', '${NOPE:-d e}', '${EMPTY:-e}', '$${HOME} $$ $x', 'p${PORT}q']"
        "\n    nice: ${NICE}\n    ready:\n      when: tcp\n      port: ${PORT}\n    user: ${PORT}",
        env,
    )
    assert k.command == ("a", "x: y # z", "", "d e", "e", "${HOME} $$ $x", "p8080q")
    assert (k.nice, k.ready.port, k.user) == (7, 8080, "8080")


def test_a_variable_of_the_wrong_type_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigError, match="needs a whole number from -20 to 19, not 'low'"):
        kernel(tmp_path, "\n    command: a\n    nice: ${N}", {"N": "low"})
    with pytest.raises(ConfigError, match="is not UTF-8"):
        kernel(tmp_path, "{command: ['${N}']}", {"N": os.fsdecode(b"\xff")})


def test_paths_are_relative_to_the_file(tmp_path: pathlib.Path) -> None:
    (tmp_path / "pb").mkdir()
    (tmp_path / "x.env").write_text("A=1\n")
    loaded = config(
        tmp_path,
        "home: run/h\nplaybooks: [pb]\ncoding_agent: {watch: [src, {path: /abs, python: python3.12}]}\n"
        "kernels: {k: {command: ./x, cwd: sub/../sub2, env_file: x.env, sources: [lib, /l]}}\n",
    )
    k = loaded.kernels["k"]
    assert loaded.home == str(tmp_path / "run/h")
    assert loaded.playbooks == (str(tmp_path / "pb"),)
    assert loaded.coding_agent.watch == (Watch(str(tmp_path / "src")), Watch("/abs", "python3.12"))
    assert (k.cwd, k.env_file) == (str(tmp_path / "sub2"), str(tmp_path / "x.env"))
    assert k.sources == (str(tmp_path / "lib"), "/l")


def test_units(tmp_path: pathlib.Path) -> None:
    k = kernel(
        tmp_path,
        "{command: a, stop: {signal: SIGINT, timeout: 250ms}, log: {max_size: 1.5M, max_age: 7d}, umask: 022,"
        " limits: {memory: 512M, cpu: {percent: 90, for: 5m}, open_files: 1024}}",
    )
    assert (k.stop.signal, k.stop.timeout_s) == (signal.SIGINT, 0.25)
    assert (k.log.max_size_bytes, k.log.max_age_s) == (1572864, 7 * 86400.0)
    assert (k.limits.memory_bytes, k.limits.open_files, k.umask) == (512 << 20, 1024, 0o22)
    assert k.limits.cpu == schema.CpuLimit(90.0, 300.0)


def test_the_forms_of_keys_that_have_several(tmp_path: pathlib.Path) -> None:
    k = kernel(
        tmp_path,
        "{command: a, schedule: {cron: '@daily', timezone: UTC, catch_up: true}, reload: {signal: hup},"
        " ready: {when: http, url: 'http://x:1/', status: [200, 300-302]}, sockets: [80, 'a:81', '[::1]:82', /run/s],"
        " depends_on: [b, {name: c, on_failure: stop}]}\n"
        "  b: {command: x, reload: {command: [r]}, schedule: 5 4 * * sun}\n"
        "  c: {command: x, reload: restart}",
    )
    assert k.schedule == Schedule("@daily", "UTC", "skip", True)
    assert k.reload == schema.Reload("signal", 1)
    assert k.ready.status == ((200, 200), (300, 302))
    assert k.sockets == (
        Socket("80", port=80), Socket("a:81", "a", 81), Socket("[::1]:82", "::1", 82), Socket("/run/s", path="/run/s"),
    )  # fmt: skip
    assert k.depends_on == (Dependency("b"), Dependency("c", on_failure="stop"))


def test_a_kernel_starts_from_the_defaults_key_by_key(tmp_path: pathlib.Path) -> None:
    loaded = config(
        tmp_path,
        "defaults: {command: d, env: {A: 1, B: 2}, log: {keep: 2}, groups: [g],"
        " health: {kind: tcp, port: 1, failures: 9}}\n"
        "kernels:\n  a:\n  b: {command: x, env: {B: 3}, log: {max_size: 1K}, groups: [], health: {failures: 1}}\n"
        "  c: {health: {kind: notify}}\n",
    )
    a, b, c = (loaded.kernels[name] for name in "abc")
    assert (a.command, a.env, a.log.keep, a.groups, a.health.port) == (("d",), {"A": "1", "B": "2"}, 2, ("g",), 1)
    assert (b.command, b.env, b.groups) == (("x",), {"A": "1", "B": "3"}, ())
    assert (b.log.keep, b.log.max_size_bytes) == (2, 1024)
    assert (b.health.kind, b.health.port, b.health.failures) == ("tcp", 1, 1)
    assert (c.health.kind, c.health.port, c.health.failures) == ("notify", None, 3)


def test_a_kernels_own_restarts_start_from_those_of_all(tmp_path: pathlib.Path) -> None:
    loaded = config(
        tmp_path,
        "restarts: {max_restarts: 9, parallel: 2, backoff: {max: 5s}}\n"
        "kernels: {a: {command: x}, b: {command: x, restarts: {window: 5, backoff: {initial: 0}}}}\n",
    )
    assert loaded.kernels["a"].restarts is None
    assert loaded.kernels["b"].restarts == Restarts(9, 5.0, Backoff(initial_s=0.0, max_s=5.0))
    assert loaded.restarts.parallel == 2


def test_anchors_and_merge_keys(tmp_path: pathlib.Path) -> None:
    loaded = config(
        tmp_path,
        "kernels:\n  a: &a {command: x, nice: 1, env: {A: 1}}\n  b: {<<: *a, nice: 2}\n  c: {<<: [{nice: 3}, *a]}\n",
    )
    assert [(k.command, k.nice) for k in loaded.kernels.values()] == [(("x",), 1), (("x",), 2), (("x",), 3)]


def test_a_ladder_may_name_playbooks(tmp_path: pathlib.Path) -> None:
    (tmp_path / "pb").mkdir()
    (tmp_path / "pb" / "x.yaml").write_text("name: mend\nsteps: 5\n")
    loaded = config(
        tmp_path, "playbooks: [pb]\nkernels: {k: {command: x, ladder: [restart, mend, healer_mutual_restart]}}\n"
    )
    assert loaded.kernels["k"].ladder == ("restart", "mend", "healer_mutual_restart")


def test_the_home_can_be_overridden(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "graced.yaml"
    file.write_text("home: a\n")
    monkeypatch.chdir("/")
    assert load(str(file), {}).home == str(tmp_path / "a")
    assert load(str(file), {"GRACED_HOME": "b"}).home == "/b"
    assert load(str(file), {"GRACED_HOME": "b"}, "c").home == "/c"


def test_the_file_is_looked_for_in_order(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    there = tmp_path / "x.yaml"
    there.write_text("")
    assert find(None, {}) in (None, "/etc/graced/graced.yaml")
    (tmp_path / "graced.yaml").write_text("")
    assert find(None, {}) == "graced.yaml"
    assert find(None, {"GRACED_CONFIG": str(there)}) == str(there)
    assert find(str(there), {"GRACED_CONFIG": "/nowhere"}) == str(there)
    for explicit, environ, by in (("no.yaml", {}, "--config"), (None, {"GRACED_CONFIG": "no.yaml"}, "$GRACED_CONFIG")):
        with pytest.raises(ConfigError) as refused:
            find(explicit, environ)
        assert str(refused.value) == f"no.yaml:1:1: there is no such file; it is given by {by}"


FULL = """
home: h
timing: {heartbeat_interval: 100ms, heartbeat_timeout: 1s, check_interval: 5, emergency_confirm: 2s}
restarts: {max_restarts: 3, window: 1m, backoff: {immediate: 1, initial: 0, factor: 3, max: 1m, jitter: 0}, parallel: 4}
coding_agent:
  watch: [a]
  exclude: ["*.tmp"]
  apply: off
  min_confidence: 0.9
  verify: pytest -q
  backend: {url: "https://x/v1", model: m, key_env: K}
notify: ["json://x/y"]
kernels:
  k:
    command: [a]
    env: {A: "${HERE}"}
    replicas: 2
    schedule: "* * * * *"
    ready: {when: log, pattern: up}
    health: {kind: output, silence: 1m}
    exit_codes: {ok: [0, 3], no_restart: [4]}
    hooks: {before_start: a b, after_exit: [c]}
    sockets: ["127.0.0.1:80"]
    user: 1000
    umask: "027"
"""


def test_what_is_kept_in_the_home_is_read_back(tmp_path: pathlib.Path) -> None:
    loaded = config(tmp_path, FULL, {"HERE": "é"})
    assert from_json(to_json(loaded)) == loaded


def test_a_configuration_of_another_version_is_read_as_far_as_it_goes() -> None:
    data: dict[str, Any] = {"home": "/h", "new_key": 1, "kernels": {"k": {"name": "k", "command": ["a"], "newer": []}}}
    assert from_json(msgspec.json.encode(data)) == Config("/h", kernels={"k": Kernel("k", ("a",))})
    with pytest.raises(msgspec.DecodeError):
        from_json(b"{")


def test_env_files(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "env"
    file.write_text(
        "# c\n\nexport A=1\nB = two words # c\nC='it''s'\n".replace("'it''s'", "'$x'")
        + 'D="a\\n\\"b\\" \\$c" # c\nE=\nF=a#b\n'
    )
    assert read_env_file(str(file)) == {"A": "1", "B": "two words", "C": "$x", "D": 'a\n"b" $c', "E": "", "F": "a#b"}
    for text, said in (
        ("A\n", ":1: needs NAME=VALUE"),
        ("\nA='x\n", ":2: has no closing '"),
        ("a b=1\n", "is no name"),
        ("A='b'c\n", "after the closing"),
    ):
        file.write_text(text)
        with pytest.raises(ValueError, match=said):
            read_env_file(str(file))
    file.write_text("a b=1\n")
    with pytest.raises(ConfigError, match=r"env:1: 'a b' is no name"):
        kernel(tmp_path, "{command: a, env_file: env}")


def test_the_schema_that_members_import_is_light() -> None:
    import subprocess

    light = "graced.spec.config, graced.spec.replicas, graced.config.env_file"
    code = f"import msgspec, sys; a = set(sys.modules); import {light}; print(*set(sys.modules) - a)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(name.startswith("graced") for name in done.stdout.split()), done.stdout
