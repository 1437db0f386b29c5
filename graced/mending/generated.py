"""From what a file is made, by what lies around it: a mend of the file would be lost at the next build."""

import os
import re
from typing import Final

from graced.mending.repository import repository_of

SUFFIXES: Final = (
    ".in", ".j2", ".jinja", ".jinja2", ".tmpl", ".tpl", ".template", ".mako", ".cog", ".tt", ".erb", ".m4", ".tera",
    ".hbs",
)  # fmt: skip
"""Of a template beside the file, which is called as the file with one of these."""

FROM: Final = (
    (re.compile(r"(?P<base>.+)_pb2(?:_grpc)?\.pyi?$"), (".proto",)),
    (re.compile(r"ui_(?P<base>.+)\.py$"), (".ui",)),
    (re.compile(r"(?P<base>.+)_ui\.py$"), (".ui",)),
    (re.compile(r"(?P<base>.+)_rc\.py$"), (".qrc",)),
    (re.compile(r"(?P<base>.+?)(?:Lexer|Parser|Listener|Visitor)\.py$"), (".g4", "Lexer.g4", "Parser.g4")),
    (re.compile(r"(?P<base>.+)\.py$"), (".peg", ".gram", ".y", ".rl", ".fbs", ".thrift", ".capnp", ".coco")),
)
"""Names of what generators write, and what the source of it is called, beside it or one folder up."""

ATTRIBUTES_MAX_BYTES: Final = 256 * 1024
_MARK: Final = re.compile(r"(?<!\S)(?:linguist-generated|gitlab-generated)(?:=true)?(?!\S)")


def made_from(path: str) -> str | None:
    """What to mend instead, in words; None when the file looks as if written by hand."""
    folder, name = os.path.split(os.path.realpath(path))
    for suffix in SUFFIXES:
        if os.path.isfile(os.path.join(folder, name + suffix)):
            return name + suffix
        base, dot, end = name.rpartition(".")
        if os.path.isfile(os.path.join(folder, f"{base}{suffix}{dot}{end}")):
            return f"{base}{suffix}{dot}{end}"
    for pattern, ends in FROM:
        match = pattern.match(name)
        for end in ends if match is not None else ():
            assert match is not None
            for place in (folder, os.path.dirname(folder)):
                if os.path.isfile(os.path.join(place, match["base"] + end)):
                    return match["base"] + end
    return _by_attributes(os.path.join(folder, name))


def _by_attributes(path: str) -> str | None:
    """.gitattributes(5) of the repository that mark the file as generated."""
    repository = repository_of(path)
    if repository is None:
        return None
    folder = os.path.dirname(path)
    while True:
        lines = _attributes(os.path.join(folder, ".gitattributes"))
        patterns = [line.split()[0] for line in lines if _MARK.search(line) and not line.startswith("#")]
        if patterns:
            from graced.mending.walk import spec_of

            if spec_of(patterns).match_file(os.path.relpath(path, folder)):
                return "its generator (.gitattributes says that it is generated)"
        if folder == repository.top or len(folder) <= 1:
            return None
        folder = os.path.dirname(folder)


def _attributes(path: str) -> list[str]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(fd, "rb") as file:
            return file.read(ATTRIBUTES_MAX_BYTES).decode("utf-8", "replace").splitlines()
    except OSError:
        return []
