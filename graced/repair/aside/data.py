"""What is no source at all, though its name ends in .py: pages, patches, logs, settings, tables, pictures."""

import json
import re
from typing import Final

_BEGINNINGS: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(r"(?:<!DOCTYPE\b|<html\b|<\?xml\b|<svg\b)", re.IGNORECASE), "a page of HTML or XML"),
    (re.compile(r"<\?php\b"), "PHP"),
    (
        re.compile(r"(?:diff --git |Index: \S|From [0-9a-f]{40} |\*\*\* Begin Patch|--- \S[^\n]*\n\+\+\+ \S|@@ -\d)"),
        "a patch",
    ),
    (re.compile(r"Traceback \(most recent call last\):"), "a traceback"),
    (re.compile(r"\d{3}:? [A-Z][\w ]{2,40}\s*\Z"), "what a failed download left"),
    (re.compile(r"version https://git-lfs\b"), "a pointer of Git LFS"),
    (re.compile(r"-----BEGIN [A-Z ]+-----"), "a key or a certificate"),
    (re.compile(r"\x89PNG|.?PNG\r?\n|\x7fELF|PK\x03\x04|%PDF-|GIF8|\x1f\x8b|\ufffd?\x00\x00\x00"), "a binary file"),
    (re.compile(r"(?:SELECT|INSERT INTO|CREATE (?:TABLE|DATABASE)|UPDATE \w+ SET|DELETE FROM)\b[^=]"), "SQL"),
    (re.compile(r"\{\\rtf"), "a text with formats"),
)
_LOG: Final = re.compile(
    r"\[?\d{4}[-/]\d\d[-/]\d\d[ T]\d\d:\d\d|\[?\d\d:\d\d:\d\d\b|<\d+>|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:"
)
_SETTING: Final = re.compile(r"(?:export )?[A-Za-z_][\w.]*=(?!=)\S*$|#")
_SHOUTED: Final = re.compile(r"(?:export )?[A-Z_][A-Z0-9_]*=(?!=)")
_YAML: Final = re.compile(r"[ \t]*(?:- )?[\w.\"'/-]+:(?: [^(){}=]*)?$|[ \t]*- \S|---$|#")
_PYTHON: Final = re.compile(
    r"[ \t]*(?:def|class|import|from|return|if|for|while|try|with|else|elif|except|finally|case|match|lambda|async)\b|@"
)
_INI: Final = re.compile(r"\[[\w.:\"' -]+\]$|[\w.-]+[ \t]*[=:](?!=)|[#;]|[ \t]+\S")
_SECTION: Final = re.compile(r"\[[A-Za-z][\w.:\"' -]*\]$")
LEAST: Final = 2
"""Lines of one shape, before a file is taken for data."""
CONTROL_MAX: Final = 0.02
"""Control characters that are no blanks and no NULs, as a share of all: more make a file binary."""
_CONTROL: Final = re.compile(r"[\x01-\x08\x0e-\x1a\x1c-\x1f\x7f]")


def is_data(_path: str, text: str) -> str | None:
    """The kind of data that the whole text is, by its beginning or by the shape of all its lines."""
    body = text.lstrip("\ufeff \t\r\n")
    for pattern, kind in _BEGINNINGS:
        if pattern.match(body):
            return f"it is {kind}, not Python"
    if len(_CONTROL.findall(text)) > max(4, CONTROL_MAX * len(text)):
        return "it is a binary file, not Python"
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    for is_one, kind in _SHAPES:
        if len(lines) >= LEAST and is_one(lines):
            return f"it is {kind}, not Python"
    if body[:1] in ("{", "[") and _is_json(body):
        return "it is JSON, not Python"
    return None


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _is_log(lines: list[str]) -> bool:
    return sum(_LOG.match(line) is not None for line in lines) > 0.6 * len(lines)


def _is_settings(lines: list[str]) -> bool:
    """`NAME=value` on each line, as a shell or a .env file has it; some value is no Python."""
    code = [line for line in lines if not line.startswith("#")]
    return len(code) >= LEAST and all(_SETTING.match(line) and _SHOUTED.match(line) for line in code)


def _is_yaml(lines: list[str]) -> bool:
    keys = sum(re.match(r"[ \t]*(?:- )?[\w.\"'/-]+:", line) is not None for line in lines)
    return len(lines) > LEAST and keys > LEAST and all(map(_YAML.match, lines)) and not any(map(_PYTHON.match, lines))


def _is_ini(lines: list[str]) -> bool:
    sections = sum(_SECTION.match(line) is not None for line in lines)
    return sections > 0 and len(lines) > sections and all(map(_INI.match, lines)) and not any(map(_PYTHON.match, lines))


def _is_table(lines: list[str]) -> bool:
    """Each line has as many commas, semicolons or tabs as the first, and no brackets."""
    for sign in (",", ";", "\t"):
        count = lines[0].count(sign)
        if count and len(lines) > LEAST and all(line.count(sign) == count for line in lines):
            return not any(re.search(r"[()\[\]{}=]", line) for line in lines)
    return False


_SHAPES: Final = (
    (_is_log, "a log"),
    (_is_settings, "a file of settings"),
    (_is_yaml, "YAML"),
    (_is_ini, "a file of settings"),
    (_is_table, "a table"),
)
