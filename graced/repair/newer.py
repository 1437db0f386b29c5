"""Syntax of a newer Python than ours. Where nobody says which Python runs a file, it is no fault of the file's.

Found among tokens, whatever else is wrong with the file: type parameters and `type` statements (PEP 695), f-strings
without limits (PEP 701), `except` without parentheses (PEP 758), t-strings (PEP 750).
"""

import sys
from collections.abc import Callable
from typing import Final

from graced.repair.fields import begins_f_string, is_newer_f_string
from graced.repair.lex import BADSTR, COMMENT, KEYWORDS, NAME, NEWLINE, OP, STRING, Token, all_tokens
from graced.repair.text import decode

LOOK_AHEAD: Final = 200
"""Tokens in a list of type parameters, or of exceptions."""
BROKEN_MAX: Final = 100
"""F-strings that no Python takes; past so many none is looked at any more."""
F_STRINGS: Final = (3, 12)
F_STRING: Final = "an f-string of Python 3.12"
_T_PREFIXES: Final = frozenset({"t", "tr", "rt"})


def newer_syntax(source: bytes, version: tuple[int, int] = sys.version_info[:2]) -> str | None:
    """What in `source` a Python newer than `version` allows, in words with that Python; None when nothing is found."""
    text = decode(source).text
    tokens = [token for token in all_tokens(text) if token.kind != COMMENT]
    wanted = [(name, is_one) for since, name, is_one in _SYNTAX if since > version]
    broken = 0 if version < F_STRINGS else BROKEN_MAX
    for at, token in enumerate(tokens):
        if token.kind == NAME:
            for name, is_one in wanted:
                if is_one(tokens, at):
                    return name
        elif token.kind in (STRING, BADSTR) and broken < BROKEN_MAX and begins_f_string(text, token.start):
            newer = is_newer_f_string(text, token.start)
            if newer:
                return F_STRING
            broken += newer is None
    return None


def _type_parameters(tokens: list[Token], at: int) -> bool:
    if tokens[at].text not in ("def", "class") or _kind(tokens, at + 1) != NAME or _text(tokens, at + 2) != "[":
        return False
    end = _closed(tokens, at + 2)
    return end is not None and (_text(tokens, end) == "(" or (_text(tokens, end), tokens[at].text) == (":", "class"))


def _type_statement(tokens: list[Token], at: int) -> bool:
    if tokens[at].text != "type" or not _begins(tokens, at) or _kind(tokens, at + 1) != NAME:
        return False
    if tokens[at + 1].text in KEYWORDS:
        return False
    end = _closed(tokens, at + 2) if _text(tokens, at + 2) == "[" else at + 2
    return end is not None and _text(tokens, end) == "="


def _bare_except(tokens: list[Token], at: int) -> bool:
    """`except A, B:`; in Python 2 that bound a name, which is not written as a class's is."""
    if tokens[at].text != "except" or not _begins(tokens, at):
        return False
    names, last, parts = 0, "", 0
    for token in tokens[at + 1 : at + LOOK_AHEAD]:
        if token.kind == NAME:
            last, parts = token.text, parts + 1
        elif token.text in (",", ":"):
            if not (_like_class(last) or (parts > 1 and token.text == ",")):
                return False
            names, last, parts = names + 1, "", 0
            if token.text == ":":
                return names > 1
        elif token.text not in (".", "*"):
            return False
    return False


def _t_string(tokens: list[Token], at: int) -> bool:
    """A prefix right before a string, and not the end of a word that another string's quote cut off."""
    token = tokens[at]
    if token.text.lower() not in _T_PREFIXES or _kind(tokens, at + 1) != STRING:
        return False
    torn = at > 0 and tokens[at - 1].kind in (STRING, BADSTR) and tokens[at - 1].end == token.start
    return tokens[at + 1].start == token.end and not torn


_SYNTAX: Final[tuple[tuple[tuple[int, int], str, Callable[[list[Token], int], bool]], ...]] = (
    ((3, 12), "type parameters, of Python 3.12", _type_parameters),
    ((3, 12), "a type statement, of Python 3.12", _type_statement),
    ((3, 14), "except without parentheses, of Python 3.14", _bare_except),
    ((3, 14), "a t-string, of Python 3.14", _t_string),
)


def _kind(tokens: list[Token], at: int) -> int | None:
    return tokens[at].kind if at < len(tokens) else None


def _text(tokens: list[Token], at: int) -> str:
    return tokens[at].text if at < len(tokens) and tokens[at].kind == OP else ""


def _begins(tokens: list[Token], at: int) -> bool:
    """Does a statement begin here?"""
    return at == 0 or tokens[at - 1].kind == NEWLINE or tokens[at - 1].text in (":", ";")


def _closed(tokens: list[Token], at: int) -> int | None:
    """Behind the bracket that closes the one at `at`, with something inside; None when it is not closed."""
    depth = 0
    for index in range(at, min(len(tokens), at + LOOK_AHEAD)):
        depth += _text(tokens, index) in ("[", "(", "{")
        depth -= _text(tokens, index) in ("]", ")", "}")
        if not depth:
            return index + 1 if index > at + 1 and _text(tokens, index) == "]" else None
    return None


def _like_class(name: str) -> bool:
    return len(name) > 1 and name[:1].isupper() and not name.isupper()
