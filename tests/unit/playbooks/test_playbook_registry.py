"""The registry of actions: what is declared is performed, by one performer each; what cannot fire yet is refused."""

import ast
import pathlib

import pytest

import graced
from graced.core.steps import CORE_STEPS, TARGETED
from graced.members.kernel_actions import COURSES
from graced.playbooks.load import PlaybookError, load_text
from graced.playbooks.perform import _PERFORM
from graced.spec.actions import BUILT_IN, KNOWN_POWERS, performer
from graced.spec.playbook import NOT_YET, RESERVED, TRIGGERS

SOURCE = pathlib.Path(graced.__file__).parent


def declared(by: str) -> set[str]:
    return {name for name, spec in BUILT_IN.items() if spec.by == by}


def performed_by_self_healing() -> set[str]:
    """The cases of its `perform`."""
    tree = ast.parse((SOURCE / "members" / "self_healing.py").read_text())
    (method,) = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == "perform"]
    values = [
        n.pattern.value
        for n in ast.walk(method)
        if isinstance(n, ast.match_case) and isinstance(n.pattern, ast.MatchValue)
    ]
    return {value.value for value in values if isinstance(value, ast.Constant)}


def test_actions_declared_are_actions_performed() -> None:
    assert set(CORE_STEPS) == declared("core")
    assert set(_PERFORM) == declared("worker")
    assert performed_by_self_healing() | set(COURSES) == declared("duty")
    assert performer("an_action_of_a_user") == "worker"


def test_what_an_action_works_on_is_one_of_its_arguments() -> None:
    for spec in BUILT_IN.values():
        assert set(spec.targets) <= set(spec.args.__struct_fields__), spec.name
    assert {name for name in CORE_STEPS if BUILT_IN[name].targets} <= TARGETED


def test_every_power_is_one_that_somebody_can_be_lent() -> None:
    assert {spec.power for spec in BUILT_IN.values()} - {None} <= set(KNOWN_POWERS)


def emitted(trigger: str) -> bool:
    """Is the trigger's record written anywhere?"""
    return any(f'Record("{trigger}"' in path.read_text() for path in SOURCE.rglob("*.py"))


@pytest.mark.parametrize("trigger", sorted(NOT_YET))
def test_a_trigger_that_nothing_can_fire_yet_is_refused_by_place(trigger: str) -> None:
    """Once the record that it waits for is written somewhere, this says so: then it belongs into TRIGGERS."""
    with pytest.raises(PlaybookError, match=rf"f.yaml:2:5: on: the trigger {trigger} does not work yet"):
        load_text(f"name: p\non: {trigger}\nsteps: [{{name: s, uses: audit}}]\n", "f.yaml")
    assert not emitted(trigger), f"{trigger} is written now: let it start playbooks"


def test_the_sets_of_triggers_are_apart() -> None:
    assert not TRIGGERS.keys() & NOT_YET.keys()
    assert not TRIGGERS.keys() & RESERVED.keys()
