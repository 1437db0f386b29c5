"""Playbooks from files: the shipped ones, users' own over them, and what they become."""

import json
import pathlib

import msgspec
import pytest

from graced.playbooks.actions import all_actions, spec_of, user_actions
from graced.playbooks.load import (
    PlaybookError,
    json_schema,
    load_all,
    load_file,
    load_text,
    playbook_names,
    shipped,
    shipped_folder,
)
from graced.spec.actions import BUILT_IN, CORE_ACTIONS, ActionSpec
from graced.spec.playbook import Approve, Playbook, Step, Trigger
from graced.spec.roles import EMERGENCY_PLAYBOOK, MUTUAL_PLAYBOOK, MUTUAL_TRIGGER


def attempts(playbook: Playbook) -> list[tuple[str, str, int]]:
    return [(step.name, step.uses, step.retries) for step in playbook.steps]


def test_the_mutual_restart_is_as_promised() -> None:
    playbook = shipped()[MUTUAL_PLAYBOOK]
    assert attempts(playbook) == [
        ("verify_recovery_agent", "verify_agent", 1),
        ("restart_failed_healer", "restart_member", 1),
        ("verify_restart", "verify_member", 3),
        ("test_mutual_recovery", "test_mutual", 1),
        ("audit", "audit", 1),
    ]
    assert (playbook.slo_s, playbook.on) == (60.0, (Trigger(MUTUAL_TRIGGER),))
    assert not any(step.parallel for step in playbook.steps)


def test_the_emergency_recovery_is_as_promised() -> None:
    playbook = shipped()[EMERGENCY_PLAYBOOK]
    assert attempts(playbook) == [
        ("activate_emergency", "activate_emergency", 1),
        ("delegate_powers", "delegate_powers", 1),
        ("restart_self_healing", "restart_member", 3),
        ("restart_coding_agent", "restart_member", 3),
        ("verify_self_healing", "verify_member", 5),
        ("verify_coding_agent", "verify_member", 5),
        ("revoke_powers", "revoke_powers", 1),
        ("deactivate_emergency", "deactivate_emergency", 1),
        ("verify_mutual_recovery", "verify_mutual", 1),
        ("audit", "audit", 1),
    ]
    assert (playbook.slo_s, playbook.on) == (120.0, (Trigger("healer_emergency"),))
    assert [step.name for step in playbook.steps if step.parallel] == ["restart_coding_agent"]
    restarts = [step.with_ for step in playbook.steps if step.uses == "restart_member"]
    assert restarts == [{"target": "self_healing", "force": True}, {"target": "coding_agent", "force": True}]
    assert playbook.steps[1].with_ == {"agents": ["architect", "parliament", "trigger"]}


def test_what_is_shipped_brings_members_back_or_is_a_rung_of_the_ladder() -> None:
    assert set(shipped()) == {MUTUAL_PLAYBOOK, EMERGENCY_PLAYBOOK, "fix_source", "restore_source", "notify"}
    recoveries = (shipped()[name] for name in (MUTUAL_PLAYBOOK, EMERGENCY_PLAYBOOK))
    assert {step.uses for playbook in recoveries for step in playbook.steps} == set(CORE_ACTIONS)
    assert pathlib.Path(shipped_folder(), "healer_mutual_restart.yaml").exists()


FULL = """
name: full
description: all keys
slo: 90
on:
  kernel.crashed: {only: [web*], at_most: 2, within: 5m}
  member.down:
vars: {x: 1, y: [a, {b: null}], who: web}
steps:
  - name: one
    uses: run_command
    with: {command: [echo, "{{ x }}"], env: {A: "{{ who }}"}}
    when: "{{ x }} == 1 and who in ['web']"
    retries: 4
    delay: 250ms
    timeout: 2s
    until: result.output.code == 0
    on_failure: continue
    approve: {timeout: 1h, otherwise: approve}
  - name: two
    uses: restart_kernel
    with: {kernel: "{{ who }}"}
    power: restart_kernel
    parallel: true
    when: steps.one.ok
"""


def test_every_key_of_a_playbook() -> None:
    assert load_text(FULL, "f.yaml") == Playbook(
        "full", "all keys", 90.0, (Trigger("kernel.crashed", ("web*",), 2, 300.0), Trigger("member.down")),
        {"x": 1, "y": ["a", {"b": None}], "who": "web"},
        (
            Step(
                "one", "run_command", {"command": ["echo", "{{ x }}"], "env": {"A": "{{ who }}"}},
                when="{{ x }} == 1 and who in ['web']", retries=4, delay_s=0.25, timeout_s=2.0,
                until="result.output.code == 0", on_failure="continue",
                approve=Approve(3600.0, "approve"),
            ),
            Step(
                "two", "restart_kernel", {"kernel": "{{ who }}"},
                power="restart_kernel", parallel=True, when="steps.one.ok",
            ),
        ),
        "f.yaml",
    )  # fmt: skip


def test_the_defaults_of_the_table_are_those_of_the_structs() -> None:
    loaded = load_text("name: p\nsteps: [{name: s, uses: audit}]\n", "f")
    assert loaded == Playbook("p", steps=(Step("s", "audit"),), file="f")


def test_a_playbook_survives_messagepack() -> None:
    playbook = load_text(FULL, "f.yaml")
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(playbook), type=Playbook) == playbook


def test_a_users_playbook_overrides_the_shipped_one(tmp_path: pathlib.Path) -> None:
    for folder, seconds in (("a", 1), ("b", 2)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.yml").write_text(
            f"name: {MUTUAL_PLAYBOOK}\nslo: {seconds}\nsteps: [{{name: s, uses: audit}}]\n"
        )
    found = load_all([str(tmp_path / "a"), str(tmp_path / "b")])
    assert found[MUTUAL_PLAYBOOK].slo_s == 2
    assert found[MUTUAL_PLAYBOOK].file == str(tmp_path / "b" / "mine.yml")
    assert found[EMERGENCY_PLAYBOOK].slo_s == 120


def test_a_broken_file_does_not_hide_the_others(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.yaml").write_text("name: a\nsteps: [{name: s, uses: audit}]\n")
    (tmp_path / "b.yaml").write_text("name: b\nsteps: 5\n")
    (tmp_path / "c.yaml").write_text("name: a\nsteps: [{name: s, uses: audit}]\n")
    (tmp_path / "d.txt").write_text("no playbook")
    with pytest.raises(PlaybookError) as refused:
        load_all([str(tmp_path), str(tmp_path / "missing")])
    assert set(refused.value.playbooks) == {"a", *shipped()}
    assert [str(problem) for problem in refused.value.problems] == [
        f"{tmp_path}/b.yaml:2:8: steps: needs a list, not the number 5",
        f"{tmp_path}/c.yaml:1:1: name: a is also defined in {tmp_path}/a.yaml",
        f"{tmp_path}/missing:1:1: cannot be read: No such file or directory",
    ]
    assert playbook_names([str(tmp_path), "/missing"]) == {"a", "b", *shipped()}


def test_a_file_that_is_not_there(tmp_path: pathlib.Path) -> None:
    with pytest.raises(PlaybookError, match=r"x.yaml:1:1: cannot be read: No such file"):
        load_file(str(tmp_path / "x.yaml"))


def test_the_schema_knows_every_action_and_its_arguments() -> None:
    schema = json_schema()
    json.dumps(schema)
    step = schema["properties"]["steps"]["items"]
    assert step["properties"]["uses"]["enum"] == sorted(BUILT_IN)
    by_name = {rule["if"]["properties"]["uses"]["const"]: rule["then"] for rule in step["allOf"]}
    assert by_name["log"]["required"] == ["with"]
    assert by_name["log"]["properties"]["with"]["required"] == ["message"]
    assert set(by_name["run_command"]["properties"]["with"]["properties"]) == {"command", "cwd", "env", "repeatable"}
    assert by_name["audit"]["properties"]["with"]["additionalProperties"] is False


# --- users' actions


def greet(ctx: object, who: str, times: int = 1) -> str:
    return f"hello {who}" * times


def test_a_users_action_has_its_arguments_from_its_parameters() -> None:
    spec = spec_of("greet", greet)
    assert [(f.name, f.type, f.required) for f in msgspec.structs.fields(spec.args)] == [
        ("who", str, True),
        ("times", int, False),
    ]
    text = "name: p\nsteps: [{name: s, uses: greet, with: {who: a, times: b}}]\n"
    with pytest.raises(PlaybookError, match="needs int, not str"):
        load_text(text, "f", {"greet": spec})


@pytest.mark.parametrize("function", [lambda: None, lambda ctx, *more: None, lambda ctx, **more: None, 5])
def test_what_is_no_action_is_refused(function: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        spec_of("x", function)  # type: ignore[arg-type]


def test_users_actions_come_from_entry_points(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "extra-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: extra\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[graced.actions]\ngreet = graced_extra_actions:greet\n"
        "log = graced_extra_actions:greet\nbad = graced_extra_actions:nothing\n"
    )
    (tmp_path / "graced_extra_actions.py").write_text(
        "def greet(ctx, who: str):\n    return who\ngreet.power = 'run_playbook'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    found, broken = user_actions()
    assert isinstance(found["greet"], ActionSpec)
    assert (found["greet"].power, found["greet"].by) == ("run_playbook", "worker")
    assert broken["log"] == "another action has this name"
    assert "nothing" in broken["bad"]
    assert set(all_actions()) == {*BUILT_IN, "greet"}
