"""Characters that do not belong into source: invisible ones, look-alikes of ASCII, typographic quotes.

Strings and comments keep theirs: there they are legal and may be meant. (NUL is legal nowhere.)
"""

import re
import unicodedata

from graced.repair.edits import Edit, applied, merged
from graced.repair.lex import BAD, BADSTR, scan

INVISIBLE = frozenset(
    "\ufeff\u200b\u200c\u200d\u200e\u200f\u2060\u2061\u2062\u2063\u2064\u00ad\u202a\u202b\u202c\u202d\u202e\u2066\u2067"
    "\u2068\u2069\ufffe\u180e"
)
LOOKALIKES = {
    "–": "-", "—": "-", "−": "-", "‐": "-", "‑": "-", "‒": "-", "―": "-", "×": "*", "÷": "/", "∗": "*", "·": ".",
    "≤": "<=", "≥": ">=", "≠": "!=", "…": "...", "→": "->", "⇒": "->", "∧": " and ", "∨": " or ", "¬": " not ",
    "、": ",", "。": ".", "【": "[", "】": "]", "「": '"', "」": '"', "『": '"', "』": '"', "〔": "[", "〕": "]",
    "⟨": "<", "⟩": ">", "∈": " in ", "‚": ",", "ˆ": "^", "˜": "~", "¦": "|", "′": "'", "″": '"', "´": "'",
    "\u2028": "\n", "\u2029": "\n", "\x85": "\n", "\ufffd": "",
}  # fmt: skip
SMART = {**dict.fromkeys("‘’‛‹›＇", "'"), **dict.fromkeys("“”„‟«»＂", '"')}
"""Typographic quotes and the ASCII one that each stands for."""
_SUSPECT = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\U0010ffff]")
_EOL = re.compile(r"[\r\n]|\Z")


def has_suspects(text: str) -> bool:
    return _SUSPECT.search(text) is not None


def without_invisible(text: str) -> str:
    """`text` without NULs, and outside strings and comments without invisible characters and exotic blanks."""
    return _replaced(text.replace("\0", ""), invisible_only=True)


def ascii_code(text: str) -> str:
    """`without_invisible`, and with typographic quotes and look-alikes outside strings made plain."""
    return _replaced(text.replace("\0", ""), invisible_only=False)


def _replaced(text: str, *, invisible_only: bool) -> str:
    if not has_suspects(text):
        return text
    edits: list[Edit] = []
    at = 0
    while at < len(text):  # lexed anew behind each quotation, for until it is mended its words look like code
        quotation = _scan(text, at, edits, invisible_only)
        if quotation is None:
            break
        at = quotation
    return applied(text, merged(edits))


def _scan(text: str, at: int, edits: list[Edit], invisible_only: bool) -> int | None:
    """Collects edits from `at` on; where a typographic quotation was mended, returns the offset behind it."""
    for token in scan(text, at):
        if token.kind == BADSTR and not invisible_only and token.text.count("\n") == 0:
            smart = next((i for i, char in enumerate(token.text) if char in SMART), None)
            if smart is not None:  # 'opened plainly, closed by a typographic one
                quote = next(char for char in token.text if char in "\"'")
                edits.append((token.start + smart, token.start + smart + 1, quote))
                return token.start + smart + 1
        if token.kind != BAD:
            continue
        char = token.text
        if char in INVISIBLE or (ord(char) < 32) or char == "\x7f":
            edits.append((token.start, token.end, ""))
        elif unicodedata.category(char) == "Zs":
            edits.append((token.start, token.end, " "))
        elif invisible_only:
            continue
        elif char in SMART:
            return _quotation(text, token.start, edits)
        elif char in LOOKALIKES:
            edits.append((token.start, token.end, LOOKALIKES[char]))
        else:
            plain = unicodedata.normalize("NFKC", char)
            if plain != char and plain.isascii():
                edits.append((token.start, token.end, plain))
    return None


def _quotation(text: str, start: int, edits: list[Edit]) -> int:
    """Makes the quotation that a typographic quote at `start` begins a plain string; returns the offset behind it."""
    match = _EOL.search(text, start)
    end = match.start() if match is not None else len(text)
    quote = SMART[text[start]]
    close = next((i for i in range(start + 1, end) if SMART.get(text[i]) == quote), None)
    plain = text.find(quote, start + 1, end)
    if close is None or (0 <= plain < close and not _is_apostrophe(text, plain)):
        close = plain if plain >= 0 else None
    if close is None:
        edits.append((start, start + 1, quote))
        return start + 1
    if quote in text[start + 1 : close]:
        quote = '"' if quote == "'" else "'"
    edits += ((start, start + 1, quote), (close, close + 1, quote))
    return close + 1


def _is_apostrophe(text: str, at: int) -> bool:
    return text[at] == "'" and text[at - 1 : at].isalnum() and text[at + 1 : at + 2].isalnum()
