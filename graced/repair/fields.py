"""f-strings as Python 3.12 reads them (PEP 701): any quote, backslash, newline or comment inside the braces."""

import ast
import re
import warnings
from typing import Final

FIELD_MAX: Final = 2000
"""Characters in braces that are looked at."""
NESTING_MAX: Final = 8

_FORMATTED: Final = re.compile(r"(?P<prefix>f|fr|rf|t|tr|rt)(?P<quote>\"\"\"|'''|\"|')", re.IGNORECASE)
_PLAIN: Final = re.compile(
    r"(?:[rbu]|br|rb)?(?:\"\"\"(?:[^\\]|\\[\s\S])*?\"\"\"|'''(?:[^\\]|\\[\s\S])*?'''"
    r"|\"(?:[^\"\\\n]|\\[\s\S])*\"|'(?:[^'\\\n]|\\[\s\S])*')",
    re.IGNORECASE,
)
_WORD: Final = re.compile(r"\w+")
_CONVERSION: Final = re.compile(r"![rsa]\s*(?=[:}])")
_DEBUG: Final = re.compile(r"(?<![=!<>])=\s*\Z")
_CLOSES: Final = {")": "(", "]": "[", "}": "{"}

Found = tuple[int, bool]
"""Where it ends, and whether it takes a newer Python than 3.11."""


def begins_f_string(text: str, at: int) -> bool:
    return _FORMATTED.match(text, at) is not None


def is_newer_f_string(text: str, at: int) -> bool | None:
    """Is what begins here an f-string that Python 3.12 takes, and 3.11 does not? None: no Python takes it."""
    found = _string(text, at, 0)
    return None if found is None else found[1]


def _string(text: str, at: int, nesting: int) -> Found | None:
    match = _FORMATTED.match(text, at)
    if match is None or nesting > NESTING_MAX:
        return None
    quote, newer, at = match["quote"], False, match.end()
    while at < len(text):
        if text.startswith(quote, at):
            return at + len(quote), newer
        if text[at] == "\\" or text.startswith(("{{", "}}"), at):
            at += 2
        elif text[at] == "{":
            field = _field(text, at + 1, quote, nesting)
            if field is None:
                return None
            at, newer = field[0], newer or field[1]
        elif text[at] == "}" or (text[at] == "\n" and len(quote) == 1):
            return None
        else:
            at += 1
    return None


def _field(text: str, at: int, quote: str, nesting: int) -> Found | None:
    """From behind the opening brace to behind the closing one."""
    parts: list[str] = []
    opened: list[str] = []
    newer, limit = False, min(len(text), at + FIELD_MAX)
    while at < limit:
        char = text[at]
        formatted = begins_f_string(text, at)
        string = _string(text, at, nesting + 1) if formatted else _plain(text, at)
        if string is None and formatted:  # nor is the whole then
            return None
        if string is not None:
            newer = newer or string[1] or quote in text[at : string[0]] or "\\" in text[at : string[0]]
            parts.append('""')
            at = string[0]
            continue
        word = _WORD.match(text, at)
        if word is not None:
            parts.append(word.group())
            at = word.end()
            continue
        if char in "\"'":
            return None
        if not opened and (char in "}:" or (char == "!" and text[at + 1 : at + 2] != "=")):
            end = _rest(text, at, quote, nesting)
            return (end[0], newer or end[1]) if end is not None and _is_expression("".join(parts)) else None
        if char in "#\\":
            newer = True
            at = (text.find("\n", at) + 1 or len(text)) if char == "#" else at + 1
            parts.append("\n" if char == "#" else " ")
            continue
        if char == "\n" and len(quote) == 1:
            newer = True
        if char in "([{":
            opened.append(char)
        elif char in _CLOSES and (not opened or opened.pop() != _CLOSES[char]):
            return None
        parts.append(char)
        at += 1
    return None


def _plain(text: str, at: int) -> Found | None:
    match = _PLAIN.match(text, at)
    return (match.end(), False) if match is not None else None


def _rest(text: str, at: int, quote: str, nesting: int) -> Found | None:
    """What follows the expression: a conversion, a format with fields of its own, the closing brace."""
    conversion = _CONVERSION.match(text, at)
    at = conversion.end() if conversion is not None else at
    newer = False
    if text[at : at + 1] == ":":
        at += 1
        while at < len(text) and text[at] != "}":
            if text.startswith(quote, at) or text[at] == "\n":
                return None
            if text[at] != "{":
                at += 1
                continue
            field = _field(text, at + 1, quote, nesting + 1) if nesting < NESTING_MAX else None
            if field is None:
                return None
            at, newer = field[0], newer or field[1]
    return (at + 1, newer) if text[at : at + 1] == "}" else None


def _is_expression(text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(f"({_DEBUG.sub('', text).strip()}\n)", mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return bool(text.strip())
