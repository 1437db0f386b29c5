"""graced.yaml to a `Config`. For the CLI: members read what was kept in the home (`schema.from_json`)."""

import os
import re
from collections.abc import Mapping

from msgspec import Struct

from graced.config.check import check_tree
from graced.config.documents import Document, collect, tell_double_kernels
from graced.config.file_table import FILE
from graced.config.merge import complete, merge_files
from graced.spec.config import DEFAULT_HOME, PLACES, Config
from graced.yaml_source.interpolate import interpolate
from graced.yaml_source.node import Node, is_utf8
from graced.yaml_source.parse import parse
from graced.yaml_source.problem import Problem, Problems
from graced.yaml_source.scalars import PathTo, absolute
from graced.yaml_source.shape import INVALID, Reading, Spot, root_spot

_HOME_LINE = re.compile(r"^home[ \t]*:[ \t]+.*$", re.MULTILINE)


class ConfigError(Exception):
    """The configuration is refused. `problems` is not empty; `str()` gives one line for each."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class Loaded(Struct, eq=False):
    """A configuration, and the tree it was made of: where each value stands. `root` None: there is no file.

    `files` in the order in which they were merged, as messages show them. `home_from`: --home, $GRACED_HOME, or empty
    where the file or the default says it.
    """

    config: Config
    root: Node | None
    files: tuple[str, ...]
    home_from: str = ""


def find(explicit: str | None, environ: Mapping[str, str]) -> str | None:
    """The file to load: --config, $GRACED_CONFIG, ./graced.yaml, /etc/graced/graced.yaml; None if there is none.

    Raises ConfigError if one of the first two is given and does not exist.
    """
    for given, by in ((explicit, "--config"), (environ.get("GRACED_CONFIG") or None, "$GRACED_CONFIG")):
        if given is not None:
            if not os.path.exists(given):
                raise ConfigError([Problem(given, 1, 1, "", "there is no such file", f"it is given by {by}")])
            return given
    return next((place for place in PLACES if os.path.exists(place)), None)


def load(path: str | None, environ: Mapping[str, str], home_override: str | None = None) -> Config:
    """The configuration in the file at `path`, or the defaults. Raises ConfigError with every problem in it."""
    return read(path, environ, home_override).config


def read(path: str | None, environ: Mapping[str, str], home_override: str | None = None) -> Loaded:
    """As `load`, with where each value comes from. `home_override`: --home, relative to the current folder."""
    override, home_from = _override(environ, home_override)
    if path is None:
        home = os.path.abspath(override or DEFAULT_HOME)
        return Loaded(Config(home=home, folder=os.getcwd()), None, (), home_from)
    if not is_utf8(os.path.abspath(path)):
        raise ConfigError([Problem(path, 1, 1, "", "the path of a configuration must be UTF-8 text")])
    problems = Problems()
    documents = collect(path, lambda root, found: interpolate(root, "", environ, found), problems)
    files = tuple(document.file for document in documents)
    if any(document.broken for document in documents):  # half a file would be said to lack the other half
        raise ConfigError(problems.sorted(files))
    root = _tree(documents, problems)
    fields = FILE.read(root_spot(root), Reading(problems))
    check_tree(root, problems)
    if problems or fields is INVALID:
        raise ConfigError(problems.sorted(files))
    for name in ("include", "defaults"):  # already in the tree
        del fields[name]
    if override:
        fields["home"] = os.path.abspath(override)
    source = os.path.abspath(path)
    return Loaded(Config(**fields, source=source, folder=os.path.dirname(source)), root, files, home_from)


def _override(environ: Mapping[str, str], home_override: str | None) -> tuple[str, str]:
    if home_override:
        return home_override, "--home"
    named = environ.get("GRACED_HOME", "")
    return named, "$GRACED_HOME" if named else ""


def _tree(documents: list[Document], problems: Problems) -> Node:
    """All files as one tree, after telling what is wrong with each of them."""
    roots = []
    for document in documents:
        root = document.root
        if root is None or root.blank:
            root = Node("mapping", document.file, 1, 1)
        if root.kind != "mapping" or len(documents) > 1:
            FILE.read(root_spot(root), Reading(problems, partial=True))
        roots.append(root if root.kind == "mapping" else Node("mapping", document.file, 1, 1))
    tell_double_kernels(documents, problems)
    return complete(merge_files(roots))


# --- the home alone -----------------------------------------------------------------------------------


def home_only(path: str | None, environ: Mapping[str, str], home_override: str | None = None) -> str:
    """The absolute path of the home; of the file nothing else is read, and other mistakes in it do not matter.

    Of a file with a syntax error the part before it counts, then a line `home: PATH` after it. Raises ConfigError if
    the file cannot be read, or if its `home` is itself wrong.
    """
    override, _ = _override(environ, home_override)
    if override or path is None:
        return os.path.abspath(override or DEFAULT_HOME)
    problems = Problems()
    documents = collect(path, lambda root, _: _prepare_home(root, environ), problems, errors="replace")
    if not documents[0].text and documents[0].broken:
        raise ConfigError([problem for problem in problems.sorted() if problem.file == path])
    for document in reversed(documents):
        spot = _home_of(document)
        if spot is not None:
            return _read_home(spot, environ)
    return absolute(path, DEFAULT_HOME)


def _prepare_home(root: Node, environ: Mapping[str, str]) -> None:
    included = root.get("include")
    if included is not None:
        interpolate(included, "include", environ, Problems())


def _home_of(document: Document) -> Spot | None:
    pair = document.root.pair("home") if document.root else None
    if pair is not None:
        return Spot(pair[1], "home", pair[0])
    line = _HOME_LINE.search(document.text) if document.broken else None
    if line is None:
        return None
    problems = Problems()
    root, _ = parse(line.group(), document.file, problems)
    pair = root.pair("home") if root else None
    number = document.text.count("\n", 0, line.start()) + 1
    if pair is None or problems:
        hint = "mend this line, or give --home"
        raise ConfigError([Problem(document.file, number, 1, "home", "cannot be read", hint)])
    key, node = pair
    key.line = node.line = number
    return Spot(node, "home", key)


def _read_home(spot: Spot, environ: Mapping[str, str]) -> str:
    problems = Problems()
    interpolate(spot.node, "home", environ, problems)
    home = PathTo().read(spot, Reading(problems)) if not problems else INVALID
    if problems:
        raise ConfigError(problems.sorted())
    return str(home)
