"""The files of one configuration: graced.yaml, and what it includes."""

import glob
import os
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from graced.config.file_table import FILE
from graced.yaml_source.node import Node
from graced.yaml_source.parse import parse, read_text
from graced.yaml_source.problem import Problem, Problems, join
from graced.yaml_source.shape import INVALID, Reading, Spot

FILES_LIMIT: Final = 1000
DEPTH_LIMIT: Final = 16
"""Of includes in included files."""

Prepare = Callable[[Node, Problems], None]


class Document(Struct, eq=False):
    """`file`: its path as messages show it; `text` as read; `root`: None if it is empty or could not be read.

    `broken`: it was not read to its end.
    """

    file: str
    path: str
    text: str = ""
    root: Node | None = None
    broken: bool = False


def collect(file: str, prepare: Prepare, problems: Problems, errors: str = "strict") -> list[Document]:
    """`file` and all that it includes, in the order in which they are merged: each file, then its includes.

    `prepare` is called with each root before its `include` is looked at. `errors`: how text is decoded.
    """
    found: list[Document] = []
    _add(file, (), prepare, problems, errors, found)
    return found


def _add(
    file: str, chain: tuple[str, ...], prepare: Prepare, problems: Problems, errors: str, found: list[Document]
) -> None:
    document = Document(file, os.path.realpath(file))
    found.append(document)
    text = read_text(file, file, problems, errors)
    if text is None:
        document.broken = True
        return
    document.text = text
    document.root, whole = parse(text, file, problems)
    document.broken = not whole
    if document.root is None:
        return
    prepare(document.root, problems)
    for at, included in _included(document, chain, problems):
        if len(found) >= FILES_LIMIT or len(chain) >= DEPTH_LIMIT:
            message = f"more than {FILES_LIMIT} files, or includes more than {DEPTH_LIMIT} deep"
            problems.add(Problem(at.node.file, at.node.line, at.node.column, at.path, message))
            return
        if os.path.realpath(included) not in {document.path for document in found}:  # the same file by two globs
            _add(included, (*chain, document.path), prepare, problems, errors, found)


def _included(document: Document, chain: tuple[str, ...], problems: Problems) -> list[tuple[Spot, str]]:
    """The files that `document` names, each with where it does, in order; a glob's sorted by name."""
    pair = document.root.pair("include") if document.root else None
    if pair is None:
        return []
    reading = Reading(problems)
    spot = Spot(pair[1], "include", pair[0])
    patterns = FILE.keys["include"].shape.read(spot, reading)
    if patterns is INVALID:
        return []
    files: list[tuple[Spot, str]] = []
    open_files = (*chain, document.path)
    for index, pattern in enumerate(patterns):
        at = spot.item(index)
        path = os.path.join(os.path.dirname(document.file), pattern)
        if glob.has_magic(pattern):
            matches = sorted(glob.glob(path, recursive=True))
            # a glob that matches the very file it stands in, or one that includes it, does not mean that
            files += [(at, match) for match in matches if _is_other_file(match, open_files)]
        elif not os.path.isfile(path):
            reading.fault(at, f"there is no such file: {path}")
        elif os.path.realpath(path) in open_files:
            names = [os.path.basename(name) for name in open_files[open_files.index(os.path.realpath(path)) :]]
            reading.fault(at, "includes itself: " + " -> ".join([*names, names[0]]))
        else:
            files.append((at, path))
    return files


def _is_other_file(path: str, open_files: tuple[str, ...]) -> bool:
    return os.path.isfile(path) and os.path.realpath(path) not in open_files


def tell_double_kernels(documents: list[Document], problems: Problems) -> None:
    """A kernel that two files define is a problem of the second."""
    first: dict[str, Node] = {}
    for document in documents:
        kernels = document.root.get("kernels") if document.root else None
        for key, _ in kernels.pairs if kernels else ():
            other = first.setdefault(key.text, key)
            if other is not key:
                message = f"is defined twice; the first is at {other.file}:{other.line}:{other.column}"
                problems.add(Problem(key.file, key.line, key.column, join("kernels", key.text), message))
