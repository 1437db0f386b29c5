"""Each command that needs no running graced, from its arguments to its output and exit code."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from graced.audit.log import AuditLog
from graced.cli.root import cli
from graced.home.paths import Home
from graced.store import tables
from graced.store.db import Store


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, without anything of graced in it or in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in ("GRACED_HOME", "GRACED_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def home(folder: Path) -> Home:
    found = Home(".graced")
    found.ensure()
    return found


def run(*args: str, code: int = 0) -> Result:
    found = CliRunner().invoke(cli, list(args))
    assert found.exit_code == code, found.output
    assert "Traceback" not in found.output
    return found


def as_json(*args: str, code: int = 0) -> Any:
    return json.loads(run(*args, "--json", code=code).stdout)


def writing(home: Home) -> Store:
    return Store(home.db, patience_s=5.0)


# --- init and config


def test_init_writes_what_config_check_likes(folder: Path) -> None:
    assert "wrote graced.yaml" in run("init").stdout
    assert "graced.yaml: no mistakes, 2 kernels" in run("config", "check").stdout


def test_init_never_overwrites(folder: Path) -> None:
    (folder / "graced.yaml").write_text("mine")
    assert "exists already" in run("init", code=1).stderr
    assert (folder / "graced.yaml").read_text() == "mine"
    assert sorted(os.listdir(folder)) == ["graced.yaml"]


def test_init_in_another_folder_says_how_to_go_on(folder: Path) -> None:
    assert "next: cd here && graced start" in run("init", "here").stdout


def test_init_as_json_and_with_the_options_of_every_command(folder: Path) -> None:
    written = as_json("init", "here", "--config", "x.yaml", "--home", "y")["written"]
    assert str(folder / "here" / "graced.yaml") in written
    assert not (folder / "y").exists()


def test_a_mistake_in_a_playbook_is_told_by_check_as_by_start(folder: Path) -> None:
    (folder / "books").mkdir()
    (folder / "books" / "bad.yaml").write_text("name: bad\nsteps:\n  - {name: wait, uses: slep}\n")
    (folder / "graced.yaml").write_text("playbooks: [books]\n")
    told = run("start", code=65).stderr
    assert "bad.yaml:3:" in told
    assert run("config", "check", code=65).stderr == told
    assert as_json("config", "check", code=65)["problems"] == told.splitlines()


def test_mistakes_are_lines_with_places_and_exit_78(folder: Path) -> None:
    (folder / "graced.yaml").write_text("kernels:\n  a: {comand: x}\n")
    found = run("config", "check", code=78)
    assert "graced.yaml:2:7: kernels.a.comand: unknown key; did you mean command?" in found.stderr.splitlines()
    told = json.loads(run("config", "check", "--json", code=78).stdout)
    assert told["ok"] is False and len(told["problems"]) >= 1


def test_a_file_of_ones_own_is_checked(folder: Path) -> None:
    (folder / "other.yaml").write_text("kernels: {a: {command: sleep 1, hooks: {after_exit: y}}}\n")
    found = run("config", "check", "other.yaml")
    assert "other.yaml: no mistakes, 1 kernel\n" in found.stdout
    assert "has no effect yet" in found.stderr


def test_config_show_and_schema(folder: Path) -> None:
    run("init")
    assert "heartbeat_interval" in run("config", "show").stdout
    assert as_json("config", "show")["kernels"]["clock"]["critical"] is True
    assert json.loads(run("config", "schema").stdout)["title"] == "graced.yaml"


def test_start_with_mistakes_starts_nothing(folder: Path) -> None:
    (folder / "graced.yaml").write_text("kernels: {a: {}}\n")
    assert "graced.yaml:1:11" in run("start", code=78).stderr
    assert not (folder / ".graced").exists()


def test_a_config_that_is_not_there(folder: Path) -> None:
    for command in (["start"], ["status"], ["stop"], ["config", "check"]):
        run(*command, "--config", "nope.yaml", code=78)


@pytest.mark.parametrize("command", [["status"], ["stop"]])
def test_mistakes_elsewhere_in_the_file_do_not_matter(folder: Path, command: list[str]) -> None:
    (folder / "graced.yaml").write_text("home: elsewhere\nkernels: {a: {comand: x}}\n")
    run(*command, code=3)


# --- nothing runs


def test_status_of_nothing(folder: Path) -> None:
    found = as_json("status", code=3)
    assert (found["mode"], found["source"], found["healthy"]) == ("stopped", "disk", False)
    assert found["home"] == str(folder / ".graced")
    assert not (folder / ".graced").exists()


def test_unknown_names_are_exit_4(home: Home) -> None:
    for command in ("status", "restart", "logs", "stop", "start"):
        assert "wep" in run(command, "wep", code=4).stderr


def test_what_needs_graced_says_how_to_start_it(home: Home) -> None:
    assert "graced start" in run("restart", "watchdog", code=3).stderr
    Path("x.py").write_text("x")
    run("tasks", "add", "x.py", code=3)
    Path("notes.md").write_text("x")
    assert "notes.md: no Python file" in run("tasks", "add", "notes.md", code=2).stderr


# --- incidents and tasks


def test_incidents(home: Home) -> None:
    store = writing(home)
    tables.open_incident(store, "trigger-1", "2026-01-01T00:00:00.000Z", "trigger", "member", "exit", 2)
    tables.add_step(store, "trigger-1", "2026-01-01T00:00:00.010Z", "verify_restart", True, "healthy | again")
    tables.close_incident(store, "trigger-1", "recovered", 0.012, 2)
    tables.open_incident(store, "web-run1", "2026-01-01T00:00:01.000Z", "web", "kernel", "signal 9")
    store.close()
    found = as_json("incidents")["incidents"]
    assert [incident["id"] for incident in found] == ["trigger-1", "web-run1"]
    assert found[0] == {
        "id": "trigger-1", "at": "2026-01-01T00:00:00.000Z", "subject": "trigger", "kind": "member", "evidence": "exit",
        "tier": 2, "duration_s": 0.012, "state": "recovered",
        "steps": [{"at": "2026-01-01T00:00:00.010Z", "step": "verify_restart", "ok": True, "text": "healthy | again"}],
    }  # fmt: skip
    assert "recovered" in run("incidents").stdout
    assert "verify_restart: healthy | again" in run("incidents", "trigger-1").stdout
    assert "healthy \\| again" in run("incidents", "trigger-1", "--markdown").stdout
    assert [i["id"] for i in as_json("incidents", "web-run1")["incidents"]] == ["web-run1"]
    assert "did you mean web-run1?" in run("incidents", "web-run2", code=4).stderr


def test_no_incidents_is_no_error(folder: Path) -> None:
    assert as_json("incidents") == {"incidents": []}
    assert run("incidents").stdout == "no incidents\n"


def test_tasks(home: Home) -> None:
    store = writing(home)
    tables.add_task(store, "t1", "/srv/a.py", "invalid syntax", "2026-01-01T00:00:00.000Z")
    tables.add_task(store, "t2", "/srv/b.py", "unexpected indent", "2026-01-01T00:00:01.000Z")
    tables.finish_task(store, "t2", "done", "2026-01-01T00:00:02.000Z")
    store.close()
    found = as_json("tasks")["tasks"]
    assert found[0] == {
        "id": "t1", "path": "/srv/a.py", "state": "queued", "error": "invalid syntax",
        "created_at": "2026-01-01T00:00:00.000Z", "finished_at": None,
    }  # fmt: skip
    assert [task["state"] for task in found] == ["queued", "done"]
    assert as_json("tasks", "t2")["tasks"] == [{**found[1], "diff": None}]
    assert "/srv/a.py" in run("tasks").stdout
    assert "unexpected indent" in run("tasks", "t2").stdout
    assert "did you mean t1?" in run("tasks", "t11", code=4).stderr
    run("tasks", "undo", "t11", code=4)
    run("tasks", "--home", home.root, "undo", "t11", code=4)


def test_no_tasks_is_no_error(folder: Path) -> None:
    assert as_json("tasks") == {"tasks": []}
    assert run("tasks").stdout == "no tasks\n"


@pytest.mark.parametrize(
    "words", [("incidents",), ("tasks",), ("tasks", "undo"), ("status",), ("logs",), ("playbook", "show")]
)
def test_a_name_that_is_not_utf_8_is_an_unknown_one(home: Home, words: tuple[str, ...]) -> None:
    store = writing(home)
    tables.add_task(store, "t1", "/srv/a.py", "invalid syntax", "2026-01-01T00:00:00.000Z")
    store.close()
    assert "is called" in run(*words, "a\udcff", code=4).stderr


# --- audit


def write_audit(home: Home, count: int) -> Path:
    log = AuditLog(home.audit, "watchdog", os.getpid(), 1)
    for n in range(count):
        log.append("vote.cast", {"n": n})
    log.flush()
    return Path(home.audit) / "000001.jsonl"


def test_audit_reads_and_verifies(home: Home) -> None:
    write_audit(home, 5)
    assert len(run("audit").stdout.splitlines()) == 5
    assert [record["data"]["n"] for record in as_json("audit", "--tail", "2")["records"]] == [3, 4]
    assert run("audit", "verify").stdout.startswith("ok: 5 records, head ")
    assert as_json("audit", "verify")["records"] == 5


def test_a_broken_chain_is_named_and_exit_1(home: Home) -> None:
    path = write_audit(home, 5)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], lines[2].replace(b'"n":2', b'"n":7'), *lines[3:]]))
    found = run("audit", "verify", code=1)
    assert "broken at 000001.jsonl:3 (record 3): the hash does not match" in found.stdout
    assert as_json("audit", "verify", code=1)["broken"]["line"] == 3


def test_an_unfinished_last_line_is_mentioned_and_no_breach(home: Home) -> None:
    path = write_audit(home, 2)
    with path.open("ab") as file:
        file.write(b'{"at":"2026')
    assert "unfinished" in run("audit", "verify").stdout


# --- logs


def test_logs_of_one_and_of_several(home: Home) -> None:
    Path(home.log("web")).write_text("a\nb\nc\n")
    Path(home.log("watchdog")).write_text("x\ny")
    assert run("logs", "web").stdout == "a\nb\nc\n"
    assert run("logs", "web", "-n", "1").stdout == "c\n"
    assert run("logs", "web", "watchdog", "-n", "1").stdout == "web      | c\nwatchdog | y\n"
    assert run("logs", "trigger").stdout == ""


def test_logs_as_json_lines(home: Home) -> None:
    Path(home.log("web")).write_bytes(b"a\n\xff\nc")
    Path(home.log("watchdog")).write_text("x\n")
    told = [json.loads(line) for line in run("logs", "web", "watchdog", "--json").stdout.splitlines()]
    assert told == [
        {"name": "web", "line": "a"}, {"name": "web", "line": "\ufffd"}, {"name": "web", "line": "c"},
        {"name": "watchdog", "line": "x"},
    ]  # fmt: skip
    assert json.loads(run("logs", "web", "-n", "1", "--json").stdout) == {"name": "web", "line": "c"}


@pytest.mark.parametrize("since", ["5m", "2026-01-01T00:00:00"])
def test_logs_since(home: Home, since: str) -> None:
    Path(home.log("web")).write_text("1999-01-01T00:00:00Z old\n2999-01-01T00:00:00Z new\n")
    assert run("logs", "web", "--since", since).stdout == "2999-01-01T00:00:00Z new\n"


def test_a_time_that_is_none_is_wrong_usage(home: Home) -> None:
    Path(home.log("web")).touch()
    assert "--since needs a duration" in run("logs", "web", "--since", "yesterday", code=2).stderr


@pytest.mark.parametrize("name", ["../config", "..", "a/../web"])
def test_logs_leads_nowhere_else(home: Home, name: str) -> None:
    Path(home.log("web")).touch()
    (Path(home.root) / "config.log").touch()
    run("logs", name, code=4)


# --- playbooks


def test_playbooks_are_listed_shown_and_described(folder: Path) -> None:
    names = {row["name"] for row in as_json("playbook", "list")["playbooks"]}
    assert {"healer_mutual_restart", "emergency_healer_recovery"} <= names
    assert "restart_failed_healer" in run("playbook", "show", "healer_mutual_restart").stdout
    assert len(as_json("playbook", "show", "emergency_healer_recovery")["steps"]) == 10
    assert json.loads(run("playbook", "schema").stdout)["title"] == "graced playbook"
    assert "did you mean" in run("playbook", "show", "healer_mutual_restar", code=4).stderr


def test_validate_tells_places_and_exit_65(folder: Path) -> None:
    (folder / "good.yaml").write_text("name: good\nsteps:\n  - {name: wait, uses: sleep, with: {seconds: 1}}\n")
    (folder / "bad.yaml").write_text("name: bad\nsteps:\n  - {name: wait, uses: slep}\n")
    assert run("playbook", "validate", "good.yaml").stdout == "good.yaml: no mistakes\n"
    found = run("playbook", "validate", "good.yaml", "bad.yaml", code=65)
    assert found.stderr.startswith("bad.yaml:3:") and "did you mean sleep?" in found.stderr
    run("playbook", "validate", "none.yaml", code=65)


def test_a_dry_run_fills_in_and_does_nothing(folder: Path) -> None:
    steps = as_json("playbook", "run", "healer_mutual_restart", "--dry-run", "-e", "target=trigger")["steps"]
    assert steps[1]["with"] == {"target": "trigger"}
    assert "3 tries" in run("playbook", "run", "healer_mutual_restart", "--dry-run", "-e", "target=trigger").stdout


@pytest.mark.parametrize("extra", ["target", "nope=1"])
def test_a_variable_that_makes_no_sense_is_wrong_usage(folder: Path, extra: str) -> None:
    run("playbook", "run", "healer_mutual_restart", "--dry-run", "-e", extra, code=2)


@pytest.mark.parametrize("target", ["bogus", "web", "a\udcff", "7"])
def test_a_target_that_is_no_member_is_unknown(folder: Path, target: str) -> None:
    found = run("playbook", "run", "healer_mutual_restart", "-e", f"target={target}", code=4)
    assert "no member is called" in found.stderr


def test_a_variable_that_is_not_utf_8_is_wrong_usage(folder: Path) -> None:
    (folder / "books").mkdir()
    (folder / "graced.yaml").write_text("playbooks: [books]\n")
    text = "name: say\nvars: {what: x}\nsteps:\n  - {name: say, uses: log, with: {message: '{{ what }}'}}\n"
    (folder / "books" / "say.yaml").write_text(text)
    assert "is not UTF-8" in run("playbook", "run", "say", "-e", "what=\udcff", code=2).stderr


def test_a_run_needs_graced(folder: Path) -> None:
    run("playbook", "run", "healer_mutual_restart", "-e", "target=trigger", code=3)
