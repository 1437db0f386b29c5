"""config show, config schema, warnings about keys without effect, and what `graced init` writes."""

import os
import pathlib
import stat

import msgspec
import pytest
import yaml
from test_config_values import FULL

from graced.config.inert import TABLE, inert_warnings, refuse_unsafe
from graced.config.kernel_table import KERNEL
from graced.config.load import ConfigError, load, read
from graced.config.show import json_schema, show
from graced.config.template import write_template


def loaded(folder: pathlib.Path, text: str, environ: dict[str, str] | None = None, home: str | None = None):  # type: ignore[no-untyped-def]
    (folder / "graced.yaml").write_text(text)
    return read(str(folder / "graced.yaml"), environ or {}, home)


@pytest.mark.parametrize(
    "text",
    ["", FULL, "kernels: {k: {command: ['$${A}', 1.10, '#', 'a: b', yes, é], env: {A: 1.10, 'ON': off, B: }}}\n"],
)
def test_what_is_shown_means_the_same_when_loaded(tmp_path: pathlib.Path, text: str) -> None:
    before = loaded(tmp_path, text, {"HERE": "${x} é"})
    other = tmp_path / "other"
    other.mkdir()
    (other / "shown.yaml").write_text(show(before))
    after = load(str(other / "shown.yaml"), {})
    assert msgspec.structs.replace(after, source=None, folder="") == msgspec.structs.replace(
        before.config, source=None, folder=""
    )


def test_each_value_is_shown_with_where_it_comes_from(tmp_path: pathlib.Path) -> None:
    (tmp_path / "b.yaml").write_text("kernels:\n  k: {command: [run]}\n")
    text = "include: [b.yaml]\ndefaults:\n  nice: ${N}\ntiming:\n  check_interval: 3s\n"
    lines = show(loaded(tmp_path, text, {"N": "5"}, home="/h")).splitlines()
    found = {line.split("  # ")[0].strip(): line.split("  # ")[1] for line in lines if "  # " in line}
    assert found["check_interval: 3s"] == f"{tmp_path}/graced.yaml:5"
    assert found["heartbeat_interval: 1s"] == "default"
    assert found["nice: 5"] == f"{tmp_path}/graced.yaml:3 (env)"
    assert found["command: [run]"] == f"{tmp_path}/b.yaml:2"
    assert found["home: /h"] == "--home"
    assert found[f"cwd: {tmp_path}"] == "default"
    assert found["when: started"] == "default"


def test_without_a_file_the_defaults_are_shown(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert yaml.safe_load(show(read(None, {})))["home"] == str(tmp_path / ".graced")
    assert inert_warnings(read(None, {})) == []


def test_the_schema_is_of_every_key() -> None:
    schema = json_schema()
    assert schema["additionalProperties"] is False
    kernel = next(iter(schema["properties"]["kernels"]["patternProperties"].values()))
    assert set(kernel["properties"]) == set(KERNEL.keys)
    assert all(key["description"] for key in kernel["properties"].values())
    assert kernel["properties"]["restart"] == {
        "anyOf": [{"enum": ["always", "on-failure", "never"]}, {"$ref": "#/$defs/variable"}],
        "description": KERNEL.keys["restart"].about,
        "default": "always",
    }
    interval = schema["properties"]["timing"]["properties"]["check_interval"]
    assert interval["default"] == "10s"
    assert '"type":"number"' in msgspec.json.encode(interval).decode()
    msgspec.json.encode(schema)


def test_keys_without_effect_are_told_where_they_are_set(tmp_path: pathlib.Path) -> None:
    there = loaded(
        tmp_path,
        "notify: ['json://x']\ncoding_agent: {verify: null, min_confidence: 0.9, apply: off}\n"
        "defaults: {log: {keep: 3, to: file}}\n"
        "kernels:\n  a: {command: x, ready: {when: exited}, health: {kind: none},"
        " reload: restart, sockets: [], limits: {cpu: null}}\n"
        "  b: {command: x, ready: {when: notify}, reload: {signal: HUP},"
        " ladder: [fix_source, healer_mutual_restart, notify], schedule: '@daily'}\n",
    )
    found = inert_warnings(there)
    assert [problem.path for problem in found] == ["defaults.log.keep", "kernels.b.ready.when", "kernels.b.reload"]
    assert str(found[0]) == f"{tmp_path}/graced.yaml:3:18: defaults.log.keep: has no effect yet"


def test_keys_without_effect_are_found_in_the_items_of_a_list(tmp_path: pathlib.Path) -> None:
    text = (
        "kernels:\n  a: {command: x}\n  b: {command: x}\n"
        "  c:\n    command: x\n    depends_on:\n      - a\n      - {name: b, on_failure: ignore, on_restart: restart}\n"
        "  d: {command: x, depends_on: [{name: a, on_restart: restart}]}\n"
    )
    assert [str(problem) for problem in inert_warnings(loaded(tmp_path, text))] == [
        f"{tmp_path}/graced.yaml:8:39: kernels.c.depends_on[1].on_restart: has no effect yet",
        f"{tmp_path}/graced.yaml:9:42: kernels.d.depends_on[0].on_restart: has no effect yet",
    ]


@pytest.mark.parametrize(
    ("kernel", "where", "why"),
    [
        ("schedule: '@daily'", "2:19: kernels.a.schedule", "it would run at once"),
        ("hooks: {before_start: migrate}", "2:27: kernels.a.hooks.before_start", "it would run unprepared"),
        ("depends_on: [{name: b, on_failure: stop}]", "2:42: kernels.a.depends_on[0].on_failure", "run on without"),
    ],
)
def test_a_key_without_effect_that_changes_what_is_safe_is_refused(
    tmp_path: pathlib.Path, kernel: str, where: str, why: str
) -> None:
    there = loaded(tmp_path, f"kernels:\n  a: {{command: x, {kernel}}}\n  b: {{command: x}}\n")
    with pytest.raises(ConfigError) as refused:
        refuse_unsafe(there)
    assert str(refused.value).startswith(f"{tmp_path}/graced.yaml:{where}: has no effect yet; ")
    assert why in str(refused.value)
    assert inert_warnings(there) == [], "told once"


@pytest.mark.parametrize("kernel", ["schedule: null", "hooks: {before_start: null}", "hooks: {after_exit: x}"])
def test_what_is_no_danger_is_not_refused(tmp_path: pathlib.Path, kernel: str) -> None:
    refuse_unsafe(loaded(tmp_path, f"kernels:\n  a: {{command: x, {kernel}}}\n"))


def test_the_table_of_keys_without_effect_names_keys_that_exist() -> None:
    for entry in TABLE:
        parts = entry.path.split(".")
        if parts[0] == "KERNEL":
            assert parts[1].removesuffix("[]") in KERNEL.keys, entry.path


def test_the_template_loads_and_its_kernels_compile(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "new" / "place"
    written = write_template(str(folder))
    assert [os.path.relpath(path, folder) for path in written] == [
        "graced.yaml",
        "kernels/clock.py",
        "kernels/worker.py",
    ]
    result = read(written[0], {})
    assert list(result.config.kernels) == ["clock", "worker"]
    assert inert_warnings(result) == []
    for path in written[1:]:
        compile(pathlib.Path(path).read_text(), path, "exec")
    for kernel in result.config.kernels.values():
        assert os.path.exists(os.path.join(kernel.cwd, next(arg for arg in kernel.command if arg.endswith(".py"))))
    assert not stat.S_IMODE(os.stat(written[0]).st_mode) & 0o022


def test_the_template_overwrites_nothing(tmp_path: pathlib.Path) -> None:
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels" / "worker.py").write_text("mine")
    with pytest.raises(FileExistsError) as refused:
        write_template(str(tmp_path))
    assert refused.value.filename == str(tmp_path / "kernels" / "worker.py")
    assert not (tmp_path / "graced.yaml").exists()
    assert (tmp_path / "kernels" / "worker.py").read_text() == "mine"
