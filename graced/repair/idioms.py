"""Slips in what Python programs say in the same words over and over: guards, imports, constants, returns, paths."""

import difflib
import re
from collections.abc import Iterator

from graced.repair.edits import Candidate, Edit
from graced.repair.lex import NAME, OP, STRING
from graced.repair.site import Site

GUARD_LIKE = 0.75
"""How like `if __name__ == "__main__":` a line must be (difflib's ratio) to be taken for it."""
GUARD_CHARS = 45
MAX_PHRASE = 4
"""Tokens of a phrase that may have been written twice."""
CONSTANTS = frozenset(("True", "False", "None"))
OPERATORS = frozenset(
    (
        "<",
        ">",
        "<=",
        ">=",
        "//",
        "**",
        "^",
        "and",
        "or",
        "in",
        "is",
        "if",
        "else",
        "+",
        "-",
        "*",
        "/",
        "%",
        "|",
        "&",
        "==",
        "!=",
        ".",
    )
)
"""What a line that goes on with the one before may begin with."""
MAX_USES = 200

_BAD_ESCAPE = re.compile(
    r"\\(?:(?P<bad>U(?![0-9A-Fa-f]{8})|u(?![0-9A-Fa-f]{4})|x(?![0-9A-Fa-f]{2})|N(?!\{[^}]*\}))|[\s\S])"
)
_DRIVE = re.compile(r"['\"]+[A-Za-z]:\\")


def candidates(site: Site) -> Iterator[Candidate]:
    if not site.tokens:
        return
    yield from _guard(site)
    yield from _two_imports(site)
    yield from _doubled_phrase(site)
    yield from _constant_of(site)
    yield from _joined(site)
    yield from _goes_on(site)
    yield from _header_goes_on(site)
    yield from _dashes(site)
    yield from _bad_escapes(site)


def _guard(site: Site) -> Iterator[Candidate]:
    """`if __name__ == "__main__":`, misspelt in any way."""
    for index in dict.fromkeys((site.at, site.low)):
        code = site.src.code(index)
        if not code or code[0].text in ("def", "class"):
            continue
        start, end = code[0].start, code[-1].end
        line = site.text[start:end]
        if "main" not in line or "name" not in line or len(line) > GUARD_CHARS:
            continue
        quote = "'" if "'" in line else '"'
        guard = f"if __name__ == {quote}__main__{quote}:"
        if difflib.SequenceMatcher(None, line.replace(" ", ""), guard.replace(" ", "")).ratio() >= GUARD_LIKE:
            yield Candidate("main_guard", 1.0, ((start, end, guard),))


def _two_imports(site: Site) -> Iterator[Candidate]:
    """`import a import b` for `from a import b`."""
    words = [token for token in site.tokens if token.text == "import"]
    first = site.tokens[0]
    if len(words) == 2 and words[0] is first and "\n" not in site.text[first.start : words[1].end]:
        yield Candidate("two_imports", 0.3, ((first.start, first.end, "from"),), 0.0)


def _doubled_phrase(site: Site) -> Iterator[Candidate]:
    """Two to four tokens that were written twice: `if not if not x`."""
    tokens = site.tokens
    words = [token.text for token in tokens]
    last = len(tokens) if site.said("never closed") else min(len(tokens), site.there + 2)
    for index in range(max(0, site.here - 2 * MAX_PHRASE), min(last, site.here + 80)):
        for size in range(2, MAX_PHRASE + 1):
            again = words[index + size : index + 2 * size]
            if words[index : index + size] == again and any(t.kind == NAME for t in tokens[index : index + size]):
                edit = (tokens[index].start, tokens[index + size].start, "")
                yield Candidate("doubled_word", 0.8, (edit,), 0.0)


def _constant_of(site: Site) -> Iterator[Candidate]:
    """`constants.True`, of a Python where that was no keyword: the constant alone, wherever the file says so."""
    near = site.tokens[max(0, site.here - 2) : site.there + 2]
    if not any(token.text in CONSTANTS for token in near):
        return
    edits: list[Edit] = []
    code = [token for token in site.src.tokens if token.kind in (NAME, OP, STRING)]
    for owner, dot, word in zip(code, code[1:], code[2:], strict=False):
        if word.text in CONSTANTS and dot.text == "." and owner.kind == NAME and owner.end == dot.start:
            edits.append((owner.start, word.start, ""))
    if 0 < len(edits) < MAX_USES:
        yield Candidate("constant_of", -4.0, tuple(edits), 0.0)


def _joined(site: Site) -> Iterator[Candidate]:
    """A line that belongs to the one before: `return` and its value below, or one that begins with an operator."""
    src = site.src
    above = src.previous_logical(site.low)
    if above is None:
        return
    code, first = src.code(src.logical_end(above)), site.tokens[0]
    if not code or not (site.fault.kind == "IndentationError" or first.text in OPERATORS):
        return
    end, last = code[-1].end, code[-1].text
    if site.text[end : first.start].strip():  # a comment is between
        return
    if (len(code) == 1 and last in ("return", "yield")) or (last == "=" and first.text in ("(", "[", "{")):
        yield Candidate("joined_line", 0.5, ((end, first.start, " "),))
    elif (first.text in OPERATORS and last != ":") or last in OPERATORS:
        yield Candidate("joined_line", 1.0, ((end, end, " \\"),), 0.0)


def _header_goes_on(site: Site) -> Iterator[Candidate]:
    """A condition that goes on below, where the next line begins with an operator."""
    src = site.src
    below = src.next_logical(site.high)
    code = src.code(site.high)
    if (
        below is None
        or not code
        or code[-1].text == ":"
        or src.first_word(below) not in OPERATORS - {"-", "*", "if", "else"}
    ):
        return
    yield Candidate("joined_line", -4.0, ((code[-1].end, src.lines[site.high].end, " \\"),), 0.0)


def _goes_on(site: Site) -> Iterator[Candidate]:
    """A line that ends with an operator, outside brackets: it goes on below."""
    code = site.src.code(site.at)
    line = site.src.lines[site.at]
    if not code or code[-1].text not in OPERATORS or site.text[code[-1].end : line.end].strip():
        return
    below = site.src.next_logical(site.at)
    if below is not None:
        torn = site.src.lines[below].width <= site.src.lines[site.low].width
        yield Candidate("torn_operator" if torn else "joined_line", 0.0, ((code[-1].end, line.end, " \\"),), 0.0)


def _dashes(site: Site) -> Iterator[Candidate]:
    """`import a-b`: no module has a dash in its name."""
    tokens = site.tokens
    if tokens[0].text not in ("import", "from"):
        return
    edits = [
        (dash.start, dash.end, "_")
        for left, dash, right in zip(tokens, tokens[1:], tokens[2:], strict=False)
        if dash.text == "-" and left.end == dash.start and right.start == dash.end
    ]
    if not edits:
        return
    names = {
        (a.text, c.text)
        for a, b, c in zip(tokens, tokens[1:], tokens[2:], strict=False)
        if b.text == "-" and a.kind == c.kind == NAME
    }
    code = [token for token in site.src.tokens if token.kind in (NAME, OP, STRING)]
    everywhere = [
        (dash.start, dash.end, "_")
        for left, dash, right in zip(code, code[1:], code[2:], strict=False)
        if dash.text == "-" and (left.text, right.text) in names and left.end == dash.start and right.start == dash.end
    ]
    if len(everywhere) > len(edits):
        yield Candidate("dash_in_name", -8.0, tuple(everywhere), 0.0)
    yield Candidate("dash_in_name", -2.0, tuple(edits), 0.0)


def _bad_escapes(site: Site) -> Iterator[Candidate]:
    """A path that holds `backslash U`, which is no escape: one more backslash, or the `r` of a raw string."""
    if not site.said("(unicode error)", "(value error)"):
        return
    for token in site.tokens[max(0, site.here - 1) : site.there + 2]:
        if token.kind != STRING:
            continue
        bare = token.text.lstrip("rRbBuUfF")
        prefix = token.text[: len(token.text) - len(bare)].lower()
        at = token.end - len(bare)
        edits = [(at + m.start(), at + m.start(), "\\") for m in _BAD_ESCAPE.finditer(bare) if m.group("bad")]
        if not edits or "r" in prefix:
            continue
        is_path = _DRIVE.match(bare) is not None
        yield Candidate("bad_escape", 0.5 + is_path, tuple(edits), 0.0)
        if "u" not in prefix:
            yield Candidate("bad_escape", 1.0 - 0.7 * is_path, ((token.start, token.start, "r"),), 0.0)
