"""Playbook files to `Playbook`s."""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from graced.playbooks.table import BUILT_IN_NAMES, PLAYBOOK
from graced.spec.actions import BUILT_IN, ActionSpec
from graced.spec.expression import ExpressionError, names_in, parse_expression
from graced.spec.playbook import RESERVED, TRIGGERS, Playbook, Step
from graced.yaml_source.node import Node
from graced.yaml_source.parse import parse, read_text
from graced.yaml_source.problem import Problem, Problems, clip, did_you_mean, nearest
from graced.yaml_source.shape import Reading, Spot, root_spot

ENDINGS: Final = (".yaml", ".yml")
FILES_LIMIT: Final = 1000
"""In one folder."""

Known = Mapping[str, ActionSpec]


class PlaybookError(Exception):
    """Playbooks are refused. `problems` is not empty; `str()` gives one line for each.

    `playbooks`: of `load_all`, those that are well, by name.
    """

    def __init__(self, problems: list[Problem], playbooks: Mapping[str, Playbook] | None = None) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
        self.playbooks = dict(playbooks or {})


def load_text(text: str, filename: str, known: Known = BUILT_IN) -> Playbook:
    """The playbook in `text`. `known`: the actions that steps may use. Raises PlaybookError with all that is wrong."""
    problems = Problems()
    playbook = _load(text, filename, known, problems)
    if playbook is None:
        raise PlaybookError(problems.sorted())
    return playbook


def load_file(path: str, known: Known = BUILT_IN) -> Playbook:
    """The playbook in a file. Raises PlaybookError, also if it cannot be read."""
    problems = Problems()
    text = read_text(path, path, problems)
    if text is None:
        raise PlaybookError(problems.sorted())
    return load_text(text, path, known)


def _load(text: str, filename: str, known: Known, problems: Problems) -> Playbook | None:
    before = Problems()
    root, whole = parse(text, filename, before)
    if whole and (root is None or root.blank):
        before.add(Problem(filename, 1, 1, "", "is empty", "a playbook is a mapping with `name` and `steps`"))
    elif whole and root is not None:  # half a file would be said to lack what stands in the other half
        spot = root_spot(root)
        playbook = PLAYBOOK.read(spot, Reading(before))
        _check_steps(root, known, before)
        if isinstance(playbook, Playbook):
            _check_triggers(root, playbook, before)
        if isinstance(playbook, Playbook) and not before:
            return msgspec.structs.replace(
                playbook, file=filename, steps=tuple(_powered(s, known) for s in playbook.steps)
            )
    for problem in before.sorted():
        problems.add(problem)
    return None


def _powered(step: Step, known: Known) -> Step:
    """A user's action that needs a power needs it wherever it is used: only here its function is at hand."""
    spec = known[step.uses]
    return msgspec.structs.replace(step, power=spec.power) if spec.function and not step.power else step


# --- what no key can tell by itself ------------------------------------------------------------------------


def _check_triggers(root: Node, playbook: Playbook, problems: Problems) -> None:
    """Graced's own triggers start the playbooks that bring its members back, and no other."""
    pair = root.pair("on")
    for trigger in playbook.on:
        owner = RESERVED.get(trigger.name, playbook.name)
        if owner != playbook.name and pair is not None:
            spot = Spot(pair[1], "on", pair[0])
            hint = "known are " + ", ".join(TRIGGERS)
            Reading(problems).fault(spot, f"the trigger {trigger.name} starts {owner} alone", hint)


def _check_steps(root: Node, known: Known, problems: Problems) -> None:
    steps, declared = root.get("steps"), root.get("vars")
    if steps is None or steps.kind != "sequence":
        return
    reading = Reading(problems)
    variables = {key.text for key, _ in declared.pairs} if declared is not None else set()
    if not steps.items:
        reading.fault(Spot(steps, "steps", steps), "has no step")
    names = [name.text for step in steps.items if (name := step.get("name")) is not None and name.kind == "scalar"]
    for index, step in enumerate(steps.items):
        spot = Spot(step, f"steps[{index}]", step)
        _check_uses(spot, known, reading)
        _check_names(spot, variables, reading)
        _check_failure(spot, names, reading)
        parallel = step.pair("parallel")
        if index == 0 and parallel is not None and parallel[1].value() is True:
            reading.fault(spot.under(*parallel), "the first step has none before it to start together with")


def _check_failure(spot: Spot, names: list[str], reading: Reading) -> None:
    """What makes up for a failure is another step, which needs nobody to make up for it."""
    pair, own = spot.node.pair("on_failure"), spot.node.get("name")
    if pair is None or pair[1].kind != "scalar" or not pair[1].text or pair[1].text in ("stop", "continue"):
        return
    others = [name for name in names if own is None or name != own.text]
    if pair[1].text not in others:
        message = f"must be one of stop, continue, or the name of another step, not {clip(pair[1].text)}"
        reading.fault(spot.under(*pair), message, nearest(pair[1].text, ["stop", "continue", *others]))


def _check_uses(spot: Spot, known: Known, reading: Reading) -> None:
    pair = spot.node.pair("uses")
    if pair is None or pair[1].kind != "scalar" or pair[1].blank:
        return
    spec = known.get(pair[1].text)
    if spec is None:
        hint = nearest(pair[1].text, known) or "see `graced playbook schema` for all of them"
        reading.fault(spot.under(*pair), f"there is no action {clip(pair[1].text)}", hint)
        return
    given = spot.node.pair("with")
    arguments = spot.under(*given) if given else Spot(pair[1], spot.path, pair[1])
    _check_arguments(arguments, spec, bool(given), reading)


def _check_arguments(spot: Spot, spec: ActionSpec, given: bool, reading: Reading) -> None:
    if given and spot.node.kind != "mapping" and not spot.node.blank:
        return  # told by the table
    fields = {field.encode_name: field for field in msgspec.structs.fields(spec.args)}
    pairs = spot.node.pairs if given else []
    meant: set[str] = set()
    for key, node in pairs:
        under = spot.under(key, node)
        field = fields.get(key.text)
        if field is None:
            hint = nearest(key.text, fields) if fields else f"{spec.name} takes none"
            meant.update(name for name in fields if hint == did_you_mean(name))
            reading.fault_key(under, f"{spec.name} has no such argument", hint)
        else:
            _check_type(under, field.type, reading)
    given_names = {key.text for key, _ in pairs} | meant  # a misspelt one is one problem, not two
    for name in [name for name, field in fields.items() if field.required and name not in given_names]:
        reading.fault_key(spot, f"{spec.name} needs the argument `{name}`", f"write with: {{{name}: ...}}")


def _check_type(spot: Spot, kind: Any, reading: Reading) -> None:
    """A text with `{{ … }}` may turn out to be anything: it is checked again when it is filled in."""
    value = spot.node.value()
    try:
        if not (names_in(value) or _has_braces(value)):
            msgspec.convert(value, kind)
    except ExpressionError:
        return  # told by _check_names
    except msgspec.ValidationError as wrong:
        message = str(wrong).replace("`", "").replace("Expected", "needs", 1).replace(", got", ", not", 1)
        reading.fault(spot, message)


def _has_braces(value: Any) -> bool:
    if isinstance(value, str):
        return "{{" in value
    if isinstance(value, dict):
        return any(_has_braces(child) for child in value.values())
    return isinstance(value, list) and any(_has_braces(child) for child in value)


def _check_names(spot: Spot, variables: set[str], reading: Reading) -> None:
    """Every variable that a step refers to is declared, or one that graced sets."""
    known = variables | set(BUILT_IN_NAMES)
    arguments = spot.node.pair("with")
    if arguments is not None and arguments[1].kind == "mapping":
        below = spot.under(*arguments)
        for key, node in arguments[1].pairs:
            under = below.under(key, node)
            try:
                names = names_in(node.value())
            except ExpressionError as wrong:
                reading.fault(under, str(wrong))
                continue
            _tell_unknown(under, names, known, reading)
    for name in ("when", "until"):
        pair = spot.node.pair(name)
        if pair is None or pair[1].kind != "scalar" or pair[1].value() is None:
            continue
        try:
            names = parse_expression(pair[1].text).names
        except ExpressionError:
            continue  # told by the table
        _tell_unknown(spot.under(*pair), names, known - {"result"} if name == "when" else known, reading)


def _tell_unknown(spot: Spot, names: Iterable[str], known: set[str], reading: Reading) -> None:
    for name in sorted(names):
        if name not in known:
            hint = nearest(name, sorted(known))
            hint = hint if hint.startswith("did") else "declare it under `vars`"
            reading.fault(spot, f"there is no variable {name}", hint)


# --- folders -------------------------------------------------------------------------------------------------


def shipped_folder() -> str:
    """Where the playbooks that come with graced are: inside an installed package, or at the top of a checkout."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    installed = os.path.join(package, "shipped", "playbooks")
    return installed if os.path.isdir(installed) else os.path.join(os.path.dirname(package), "playbooks")


def shipped(known: Known = BUILT_IN) -> dict[str, Playbook]:
    """The playbooks that come with graced, by name. Raises PlaybookError if they are damaged."""
    problems = Problems()
    found = _folder(shipped_folder(), known, problems)
    if problems:
        raise PlaybookError(problems.sorted(), found)
    return found


def load_all(folders: Sequence[str], known: Known = BUILT_IN) -> dict[str, Playbook]:
    """Shipped and users' playbooks by name; a folder's own go over those of the same name before it.

    Raises PlaybookError if any file is wrong; its `playbooks` holds the others.
    """
    problems = Problems()
    found: dict[str, Playbook] = {}
    for folder in (shipped_folder(), *folders):
        found.update(_folder(folder, known, problems))
    if problems:
        raise PlaybookError(problems.sorted(), found)
    return found


def playbook_names(folders: Sequence[str]) -> set[str]:
    """The names of all playbooks, shipped and in `folders`, whatever else is wrong with them. Raises nothing."""
    names: set[str] = set()
    for folder in (shipped_folder(), *folders):
        for path in _files(folder, Problems()):
            ignored = Problems()
            text = read_text(path, path, ignored)
            root = parse(text, path, ignored)[0] if text is not None else None
            name = root.get("name") if root is not None else None
            if name is not None and name.kind == "scalar" and name.text:
                names.add(name.text)
    return names


def _files(folder: str, problems: Problems) -> list[str]:
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(ENDINGS) and not name.startswith("."))
    except (OSError, ValueError) as error:
        problems.add(Problem(folder, 1, 1, "", f"cannot be read: {getattr(error, 'strerror', error)}"))
        return []
    if len(names) > FILES_LIMIT:
        problems.add(Problem(folder, 1, 1, "", f"holds more than {FILES_LIMIT} playbooks"))
    return [os.path.join(folder, name) for name in names[:FILES_LIMIT]]


def _folder(folder: str, known: Known, problems: Problems) -> dict[str, Playbook]:
    """The playbooks of one folder by name; of two with one name the second is a problem."""
    found: dict[str, Playbook] = {}
    for path in _files(folder, problems):
        text = read_text(path, path, problems)
        playbook = _load(text, path, known, problems) if text is not None else None
        if playbook is None:
            continue
        if playbook.name in found:
            message = f"{playbook.name} is also defined in {found[playbook.name].file}"
            problems.add(Problem(path, 1, 1, "name", message))
            continue
        found[playbook.name] = playbook
    return found


def json_schema(known: Known = BUILT_IN) -> dict[str, Any]:
    """JSON Schema of a playbook file, for editors: each action with its own arguments."""
    schema = PLAYBOOK.schema()
    step = schema["properties"]["steps"]["items"]
    step["properties"]["uses"] = {"enum": sorted(known), "description": "the action"}
    step["allOf"] = [_action_schema(known[name]) for name in sorted(known)]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "graced playbook", **schema}


def _action_schema(spec: ActionSpec) -> dict[str, Any]:
    """`if` a step uses this action, its `with` is of this form; any argument may also be a text with `{{ … }}`."""
    schemas, _ = msgspec.json.schema_components([spec.args], ref_template="{name}")
    described = msgspec.json.schema(spec.args)
    body = described["$defs"][described["$ref"].rsplit("/", 1)[1]] if "$ref" in described else schemas[0]
    filled = {"type": "string", "pattern": r"\{\{.*\}\}"}
    arguments: dict[str, Any] = {
        "type": "object",
        "properties": {name: {"anyOf": [kind, filled]} for name, kind in body.get("properties", {}).items()},
        "additionalProperties": False,
    }
    required = body.get("required", [])
    then: dict[str, Any] = {"properties": {"with": arguments}}
    if required:
        arguments["required"] = required
        then["required"] = ["with"]
    return {"if": {"properties": {"uses": {"const": spec.name}}}, "then": then}
