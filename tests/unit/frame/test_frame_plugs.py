"""What is declared is used by what ships: keys of the configuration and of playbooks, verbs of the bus, actions."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import pytest
from frame_kit import imports, modules, package_of
from msgspec import Struct
from msgspec.structs import fields

from graced.config import inert
from graced.spec.config import Config, Kernel
from graced.spec.playbook import Playbook

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
def verbs() -> tuple[str, ...]:
    """Every verb that the table of the bus declares."""
    (table,) = (
        node.value
        for module, tree in modules().items()
        if package_of(module) == "bus"
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == "VERBS"
    )
    assert isinstance(table, ast.Dict)
    return tuple(key.value for key in table.keys if isinstance(key, ast.Constant) and isinstance(key.value, str))


def said(tree: ast.AST) -> Iterator[tuple[str, bool]]:
    """(word, whether what comes is compared with it), of every literal; the beginning of an f-string counts."""
    taking: set[int] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Dict(keys=keys) if all(
                isinstance(key, ast.Constant) and key.value in verbs() for key in keys if key
            ):
                taking |= {id(key) for key in keys if key}
            case ast.MatchValue(value=value):
                taking.add(id(value))
            case ast.Compare(comparators=[ast.Tuple(elts=words)]) | ast.Compare(comparators=words):
                taking |= {id(word) for word in words}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value, id(node) in taking


@pytest.mark.parametrize("verb", verbs())
def test_a_verb_of_the_bus_has_one_taker_and_somebody_who_sends_it(verb: str) -> None:
    takers, senders = set(), set()
    for module, tree in modules().items():
        if package_of(module) in ("bus", "sim"):
            continue
        for word, taken in said(tree):
            if word == verb and taken and package_of(module) == "members":
                takers.add(module)
            elif word == verb or (word.endswith(".") and verb.startswith(word)):
                senders.add(module)
    assert len(takers) == 1, f"{verb} is taken by {takers}"
    assert senders, f"nobody sends {verb}"


# --- one registry


def test_the_tests_of_plugs_see_the_code() -> None:
    """A check that finds nothing because it looks at nothing would pass."""
    assert len(modules()) > 200 and len(ALL_KEYS) > 60 and len(PLAYBOOK_KEYS) > 10 and len(verbs()) > 15
    assert sum(1 for tree in modules().values() for _ in imports(tree)) > 500
