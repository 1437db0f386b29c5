"""What is declared is used by what ships: keys of the configuration and of playbooks, verbs of the bus, actions."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import pytest
from frame_kit import imports, modules, package_of, strings
from msgspec import Struct
from msgspec.structs import fields

from graced.bus.verbs import VERBS
from graced.config import inert
from graced.core.steps import CORE_STEPS
from graced.sim.run import playbooks
from graced.sim.world import World
from graced.spec.actions import BUILT_IN
from graced.spec.config import Config, Kernel
from graced.spec.playbook import Playbook
from graced.spec.roles import MEMBERS

UNITS = re.compile(r"_(s|bytes)\Z")

FOR_PEOPLE = {
    "version": "of the format: checked when the file is read; there is one so far",
    "KERNEL.ready.when": "by the kernels' own table of what counts as ready",
}
"""Keys that nobody reads by name, with where they have their effect."""


def structs(kind: Any) -> Iterator[type[Struct]]:
    """The structs in an annotation."""
    if isinstance(kind, type) and issubclass(kind, Struct):
        yield kind
    for part in get_args(kind):
        yield from structs(part)


def is_list(kind: Any) -> bool:
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return any(is_list(part) for part in get_args(kind) if part is not NoneType)
    return origin is tuple


def keys(kind: type[Struct], path: str = "") -> Iterator[tuple[str, str]]:
    """(path as in the table of inert keys, name of the field) of every key below a struct that holds no others."""
    for field in fields(kind):
        below = f"{path}.{UNITS.sub('', field.name)}".lstrip(".")
        inner = list(structs(field.type))
        if Kernel in inner:
            continue
        if inner:
            for struct in inner:
                yield from keys(struct, below + ("[]" if is_list(field.type) else ""))
        else:
            yield below, field.name


@cache
def read_in_code() -> frozenset[str]:
    """Attributes that shipped code reads, what only checks or shows the configuration left out."""
    return frozenset(
        node.attr
        for module, tree in modules().items()
        if package_of(module) not in ("config", "spec", "sim", "yaml_source")
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    )


def is_inert(path: str) -> bool:
    return any(path == entry.path or path.startswith(re.sub(r"\.\w+\Z", ".", entry.path)) for entry in inert.TABLE)


ALL_KEYS = [*keys(Config), *keys(Kernel, "KERNEL")]


@pytest.mark.parametrize(("path", "field"), ALL_KEYS, ids=[path for path, _ in ALL_KEYS])
def test_a_key_of_the_configuration_is_read_or_listed_as_inert(path: str, field: str) -> None:
    assert field in read_in_code() or is_inert(path) or path in FOR_PEOPLE, f"{path} is accepted, and does nothing"


def test_inert_keys_are_keys() -> None:
    paths = {path for path, _ in ALL_KEYS}
    assert [e.path for e in inert.TABLE if not any(p == e.path or p.startswith(f"{e.path}.") for p in paths)] == []


INNER_STRUCTS = [struct for field in fields(Playbook) for struct in structs(field.type)]
PLAYBOOK_STRUCTS: list[type[Struct]] = [Playbook, *INNER_STRUCTS]
PLAYBOOK_KEYS = [field.name for struct in PLAYBOOK_STRUCTS for field in fields(struct)]


@pytest.mark.parametrize("field", PLAYBOOK_KEYS)
def test_a_key_of_a_playbook_is_read(field: str) -> None:
    read = {
        node.attr
        for module, tree in modules().items()
        if package_of(module) in ("core", "members", "control", "playbooks", "cli")
        and module not in ("graced.playbooks.load", "graced.playbooks.table")
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }
    assert field in read


# --- verbs


@cache
def takers() -> dict[str, set[str]]:
    """verb -> the roles that have a handler for it, of the shells and duties that ship (in a simulated home)."""
    world = World(1, playbooks(), ())
    world.start()
    limit = world.clock.now + 60.0
    while {member.role for member in world.members.values() if hasattr(member, "shell")} != {*MEMBERS}:
        world.clock.run_until(world.clock.now + 0.1)
        assert world.clock.now < limit, "not everybody was born"
    found: dict[str, set[str]] = {}
    for member in world.members.values():
        for verb in member.shell._handlers:
            found.setdefault(verb, set()).add(member.role)
    return found


def test_no_verb_has_a_handler_and_no_place_in_the_table() -> None:
    assert sorted(takers()) == sorted(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_is_taken_by_whom_the_table_names(verb: str) -> None:
    assert takers()[verb] == VERBS[verb].takers


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_has_a_sender(verb: str) -> None:
    senders = [
        module
        for module, tree in modules().items()
        if package_of(module) in ("members", "control", "cli", "status")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for argument in (*node.args, *(keyword.value for keyword in node.keywords))
        for word in strings(argument)
        if word == verb or (word.endswith(".") and verb.startswith(word))
    ]
    assert senders, f"nobody sends {verb}"


# --- actions


def test_an_action_is_performed_by_whom_the_registry_names() -> None:
    """core: a step of the core; duty: a case of kernel_actions or of a member; worker: a case of perform."""
    by: dict[str, set[str]] = {"core": set(CORE_STEPS), "duty": set(), "worker": set()}
    for name, spec in BUILT_IN.items():
        where = {
            "duty": ("graced.members",),
            "worker": ("graced.playbooks.perform", "graced.members.step_workers"),
        }.get(spec.by, ())
        if any(name in strings(tree) for module, tree in modules().items() if module.startswith(where or ("-",))):
            by[spec.by].add(name)
    for performer, names in by.items():
        assert names == {name for name, spec in BUILT_IN.items() if spec.by == performer}, performer


# --- the checks themselves


def test_the_tests_of_plugs_see_the_code() -> None:
    """A check that finds nothing because it looks at nothing would pass."""
    assert (
        len(modules()) > 200
        and len(ALL_KEYS) > 60
        and len(PLAYBOOK_KEYS) > 10
        and len(VERBS) > 15
        and len(BUILT_IN) > 10
    )
    assert sum(1 for tree in modules().values() for _ in imports(tree)) > 500
