"""Laws of tokens: no string, operator, literal or word is deleted or changed, none is made up."""

import re
from typing import Final

from graced.repair.laws.difference import changes, content, gone, raw
from graced.repair.laws.law import MADE_UP, Law
from graced.repair.lex import BADSTR, KEYWORDS, NAME, NUMBER, OP, STRING, Token

OPERATORS: Final = frozenset(
    (
        "+",
        "-",
        "*",
        "/",
        "//",
        "%",
        "@",
        "**",
        "<<",
        ">>",
        "&",
        "|",
        "^",
        "~",
        "<",
        ">",
        "<=",
        ">=",
        "==",
        "!=",
        "+=",
        "-=",
        "*=",
        "/=",
        "...",
    )
)
MARKS: Final = frozenset(("=", ".", "->", ":="))
"""Marks that say what is meant as operators do."""
WORDS: Final = KEYWORDS - {"pass"}
"""Keywords that say what a program does."""
_SWALLOWED: Final = re.compile(r"[\"']\s*[+%]\s*[\w(\"']|\w\s*\+\s*\\?[\"']|[\"'],\s*[\w\"'(]|[\"']\)\s*$")


def of_tokens(before: str, after: str) -> Law | None:
    """What was deleted or changed, and was not put in again beside it or stands there twice."""
    for old, new, left, right in changes(before, after):
        lost = gone(old, new) if raw(old) != raw(new) else ()  # the same letters, in other quotes
        for index, token in lost:
            around = {
                left,
                right,
                *(t.text for t in old[max(0, index - 1) : index]),
                *(t.text for t in old[index + 1 : index + 2]),
            }
            if token.text in around:
                continue
            if token.kind in (STRING, BADSTR):
                was, now = content(old), content(new)
                if was != now and not (token.kind == BADSTR and raw(new) and raw(old).startswith(raw(new))):
                    return Law("text", "the content of a string changed")
            if token.kind == NUMBER:
                return Law("literal", f"`{token.text}` was taken out or changed")
            if token.text == "." and any(t.text == "," for t in new):
                continue
            if (
                token.kind == OP
                and token.text in OPERATORS | MARKS
                and not any(token.text in t.text or t.text in token.text for t in new)
            ):
                return Law("operator", f"`{token.text}` was taken out or changed")
            if token.kind == NAME and token.text in WORDS:
                return Law("word", f"`{token.text}` was taken out or changed")
        for token in new:
            if token.kind == STRING and _SWALLOWED.search(token.text[1:-1]) and any(t.kind == BADSTR for t in old):
                return Law("text", "code would become a part of a string")
        law = _of_inserted(old, new, left)
        if law is not None:
            return law
    return None


def _of_inserted(old: list[Token], new: list[Token], left: str) -> Law | None:
    """Values and comparisons that came from nowhere."""
    had = {token.text for token in old}
    for token in new:
        if token.kind == NAME and token.text in ("None", "True", "False") and token.text not in had and left != ".":
            return Law("made_up", MADE_UP["missing_value"])
    return None
