"""Files that somebody wants as they are: told so in the file, inputs of tests, written by a program."""

import re
from pathlib import PurePosixPath
from typing import Final

_OFF: Final = re.compile(r"^[ \t]*#[ \t]*graced:[ \t]*off\b", re.MULTILINE | re.IGNORECASE)
_TESTS: Final = frozenset(("test", "tests", "testing", "test-data", "testdata", "test_data"))
_INPUTS: Final = frozenset(
    (
        "fixture",
        "fixtures",
        "testdata",
        "test_data",
        "test-data",
        "invalid",
        "malformed",
        "badsyntax",
        "syntax_errors",
        "corpus",
        "normalizer_issue_files",
    )
)
"""Folders of inputs, wherever they are."""
_INPUTS_OF_TESTS: Final = frozenset(
    (
        "data",
        "resources",
        "resource",
        "examples",
        "samples",
        "snippets",
        "cases",
        "bad",
        "broken",
        "input",
        "inputs",
        "expected",
        "golden",
        "assets",
        "files",
        "errors",
        "completion",
        "refactor",
        "static_analysis",
    )
)
"""Folders of inputs, where they are in a folder of tests."""
_BROKEN_NAME: Final = re.compile(
    r"(?:^|_)(?:bad|broken|invalid|malformed|unparsable|unparseable)[_-]?\w*\.pyi?$"
    r"|badsyntax|bad_syntax|syntax_?error|_broken\.py$|_invalid\.py$",
    re.IGNORECASE,
)
_SAYS_BROKEN: Final = re.compile(
    r"(?:must|should|will|shall|to|expected to|supposed to) (?:raise|cause|trigger|be|have|contain) an? ?"
    r"(?:`+)?(?:SyntaxError|IndentationError|TabError|syntax error)"
    r"|(?:intentional(?:ly)?|deliberate(?:ly)?|on purpose)"
    r"[^\n]{0,40}(?:broken|invalid|syntax|malformed|does not (?:parse|compile))"
    r"|(?:broken|invalid syntax|syntax error|does not (?:parse|compile))"
    r"[^\n]{0,40}(?:on purpose|intentional|deliberate)"
    r"|noqa:[ ]?E999|must raise SyntaxError|#: E90[12]",
    re.IGNORECASE,
)
_GENERATED: Final = re.compile(
    r"[ \t]*(?:#|\"\"\"|''').*\bdo not (?:edit|modify|change)\b|[ \t]*#.*(?:@generated\b|\bauto-?generated\b"
    r"|\b(?:automatically|machine) generated\b)|[ \t]*#+[ \t]*(?:this (?:file|code|module) (?:is|was) "
    r"|code |file )?generated (?:by|from|with)\b",
    re.IGNORECASE,
)
_GENERATED_NAME: Final = re.compile(r"_pb2(?:_grpc)?\.pyi?$|\.min\.py$|_generated\.py$|\.g\.py$")
NEAR_FOLDERS: Final = 6
"""Folders above a file that tell what it is for; what is further up is where somebody keeps their projects."""
HEAD_LINES: Final = 12
"""The lines of a file that tell who wrote it."""
DENSE: Final = 4
"""As many statements on each line of code: no person writes like that."""


def is_off(_path: str, text: str) -> str | None:
    return "it says `# graced: off`" if _OFF.search(text) else None


def is_broken_on_purpose(path: str, text: str) -> str | None:
    """Inputs of parsers' and linters' tests, by their folder, their name, or what they say."""
    parts = [part.lower() for part in PurePosixPath(path).parts]
    name, folders = parts[-1] if parts else "", parts[:-1]
    folders = folders[-NEAR_FOLDERS:]
    tests = next((at for at, part in enumerate(folders) if part in _TESTS), len(folders))
    if any(part in _INPUTS for part in folders) or any(part in _INPUTS_OF_TESTS for part in folders[tests:]):
        return "it is an input of tests, by its folder"
    if _BROKEN_NAME.search(name):
        return "its name says that it is broken on purpose"
    head = "\n".join(text.splitlines()[:HEAD_LINES])
    return "it says that it is broken on purpose" if _SAYS_BROKEN.search(head) else None


def is_generated(path: str, text: str) -> str | None:
    lines = text.splitlines()
    why = "it is generated: mend what generates it"
    if _GENERATED_NAME.search(PurePosixPath(path).name) or any(map(_GENERATED.match, lines[:HEAD_LINES])):
        return why
    code = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    joined = sum(len(re.findall(r";(?=\S)", line)) for line in code)
    return "it is minified: mend what it was made from" if code and joined >= DENSE * len(code) else None
