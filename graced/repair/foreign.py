"""What people write from the habit of other languages, and text that is no code at all."""

import itertools
import re
from collections.abc import Iterator

from graced.repair.edits import Candidate, Edit
from graced.repair.indent import newline_of
from graced.repair.lex import BAD, BADSTR, KEYWORDS, NAME, STRING, Source
from graced.repair.site import Site

SLASHES = re.compile(r"^([ \t]*)(//|--(?=\s*[A-Za-z])|;+(?=\s)|\*(?=\s))")
MARKER = re.compile(r"(?:=======|<<<<<<<|>>>>>>>|\|\|\|\|\|\|\|)")
_IMPORT = re.compile(r"(?:from\s+[\w.]+\s+i?m?p?\w{3,6}t?r?o?\s+[\w, (*]+|import\s+[\w.]+)")
_BRANCH = re.compile(r"^ ?[A-Za-z][\w./]*(?:-[\w./]+)*[ \t]*$")
HEADING = 12.0
"""Nats off for an indented sentence at the top: the sign of a comment got lost, which the model of code cannot see."""
ENGLISH = frozenset(["if", "for", "and", "in", "is", "not", "or", "from", "with", "while", "as"])
"""Keywords that a sentence may well begin with."""
_QUOTE_ESCAPED = r"\\(?=['\"])"
r"""`end = \' \'`: both quotes of a string, as another language's string has them; one alone is an escape too many."""
_RULES: tuple[tuple[re.Pattern[str], str, str, float], ...] = (
    (re.compile(r"([\w\])])[ \t]*\+\+"), r"\1 += 1", "increment", 0.5),
    (re.compile(r"\+\+[ \t]*([\w.]+)"), r"\1 += 1", "increment", 0.5),
    (re.compile(r"([\w\])])[ \t]*--(?=[ \t]*(?:[;#]|$))"), r"\1 -= 1", "increment", 0.5),
    (re.compile(r"[ \t]*&&[ \t]*"), " and ", "c_operators", 0.5),
    (re.compile(r"[ \t]*\|\|[ \t]*"), " or ", "c_operators", 0.5),
    (re.compile(r"(?<![\w\])])!(?!=)[ \t]*(?=[\w(\[~'\"-])"), "not ", "c_operators", 1.0),
    (re.compile(r"==="), "==", "c_operators", 0.5),
    (re.compile(r"!=="), "!=", "c_operators", 0.3),
    (re.compile(r"=<"), "<=", "c_operators", 0.7),
    (re.compile(r"(?<=\))[ \t]*=>(?=[^=>]*:[ \t]*$)"), " ->", "c_operators", -3.0),
    (re.compile(r"=>"), ">=", "c_operators", 0.8),
    (re.compile(r"=!"), "!=", "c_operators", 0.7),
    (re.compile(r"[ \t]*=[ \t]*=[ \t]*"), " == ", "split_operator", 1.5),
    (re.compile(r"([<>!+*/%-])[ \t]+="), r"\1=", "split_operator", 1.0),
    (re.compile(r"\belse[ \t]+if\b"), "elif", "else_if", 0.2),
    (re.compile(r"(?<=[ \t;])//(?=[ \t]*[A-Za-z])"), "# //", "slash_comment", 2.0),
    (re.compile(_QUOTE_ESCAPED), "", "stray_backslash", 1.0),
    (re.compile(r"\\[ \t]+$"), r"\\", "stray_backslash", 0.2),
    (re.compile(r"\\(?=[^\r\n])"), "", "stray_backslash", 2.0),
    (re.compile(r"\\[ntr](?=\S*$)"), "", "stray_backslash", 2.0),
    (re.compile(r"\bnot[ \t]+is\b"), "is not", "word_order", 1.0),
    (re.compile(r"\bis[ \t]+=="), "==", "word_order", 1.0),
    (re.compile(r"\bisnot\b"), "is not", "word_order", 0.5),
    (re.compile(r"\bnotin\b"), "not in", "word_order", 0.5),
    (re.compile(r"\bfor[ \t]+each\b"), "for", "not_python", 1.0),
    (re.compile(r"(?<=[\w\])])(?:->|::)(?=[A-Za-z_])"), ".", "not_python", 1.0),
    (re.compile(r"[;,`?]+[ \t]*$"), "", "stray_mark", 2.0),
    (re.compile(r"[ \t]*\{[ \t]*$"), ":", "brace_block", 3.0),
    (re.compile(r"^[ \t]*\}[ \t]*;?[ \t]*$"), "", "brace_block", 3.0),
    (re.compile(r"^([ \t]*)(?:>>>|\.\.\.)[ \t]"), r"\1", "prompt", 0.5),
)
"""(pattern, replacement, rule, cost), tried on the fault's line and, where it pays, on every line like it."""


def candidates(site: Site) -> Iterator[Candidate]:
    yield from _slashes(site)
    yield from _markers(site)
    yield from _substitutions(site)
    yield from _late_comment(site)
    yield from _prose(site)
    yield from _continued(site)


def _continued(site: Site) -> Iterator[Candidate]:
    """A backslash at the end of the line before, that joined two statements."""
    for index in (site.at - 1, site.at):
        line = site.src.lines[index] if index >= 0 else None
        if line is not None and site.text[line.start : line.end].endswith("\\"):
            yield Candidate("stray_backslash", 1.5, ((line.end - 1, line.end, ""),))


def _slashes(site: Site) -> Iterator[Candidate]:
    """Lines that are comments in C (`//`), Lua or SQL (`--`), or assembler (`;`)."""
    match = SLASHES.match(site.line_text(site.at))
    if match is None:
        return
    sign = match.group(2)
    edits = []
    for index, line in enumerate(site.src.lines):
        text = site.line_text(index)
        other = SLASHES.match(text)
        if other is not None and other.group(2) == sign and not line.inside and not line.depth:
            start = line.start + other.end(1)
            edits.append((start, start, "# "))
    yield Candidate("slash_comment", 0.3, tuple(edits))


def _markers(site: Site) -> Iterator[Candidate]:
    """What is left of a merge conflict: a row of `=` and, around it, bare names of branches."""
    src = site.src
    rows = [i for i, line in enumerate(src.lines) if MARKER.match(site.text, line.start) and not line.depth]
    if not rows:
        return
    edits: list[Edit] = [(src.lines[i].start, src.lines[i].start, "# ") for i in rows]
    yield Candidate("marker", 1.5, tuple(edits))
    names = [
        index
        for index, line in enumerate(src.lines)
        if line.logical and line.width <= 1 and _BRANCH.match(site.line_text(index))
        and site.line_text(index).strip() not in KEYWORDS
    ]  # fmt: skip
    if names:
        edits += [(src.lines[i].start, src.lines[i].start, "# ") for i in names]
        yield Candidate("marker", 0.5, tuple(sorted(edits)))


def _substitutions(site: Site) -> Iterator[Candidate]:
    """Rules on the fault's line outside its strings; one candidate for the line and one for every line alike."""
    src = site.src
    for index in dict.fromkeys((site.at, site.low)):
        if MARKER.match(site.text, src.lines[index].start):
            continue
        for pattern, new, rule, cost in _RULES:
            edits = tuple(_outside_strings(src, index, pattern, new, rule == "stray_backslash"))
            if not edits or (pattern.pattern == _QUOTE_ESCAPED and len(edits) < 2):
                continue
            yield Candidate(rule, cost, edits)
            if rule in ("c_operators", "increment", "else_if", "prompt", "brace_block") and cost <= 3.0:
                everywhere = tuple(e for i in range(len(src.lines)) for e in _outside_strings(src, i, pattern, new))
                if len(everywhere) > len(edits) and len(everywhere) < 200:
                    yield Candidate(rule, cost + 0.3, everywhere)


def _outside_strings(
    src: Source, index: int, pattern: re.Pattern[str], new: str, broken_too: bool = False
) -> Iterator[Edit]:
    """The places of `pattern` on a line outside its strings and comments; unended ones count as code if told."""
    line = src.lines[index]
    if line.inside:
        return
    spans = [(t.start, t.end) for t in src.tokens[line.first : line.stop]
             if t.kind == STRING or (t.kind == BADSTR and not broken_too) or t.text[:1] == "#"]  # fmt: skip
    text = src.text[line.start : line.end]
    for match in pattern.finditer(text):
        start, end = line.start + match.start(), line.start + match.end()
        if not any(start < high and end > low for low, high in spans):
            yield start, end, match.expand(new)


def _late_comment(site: Site) -> Iterator[Candidate]:
    """Words behind a statement that is whole: they were meant as a comment. A string there was meant as one too."""
    tokens = site.tokens
    for index in range(max(1, site.here - 1), min(len(tokens), site.there + 2)):
        token, before = tokens[index], tokens[index - 1]
        if "\n" in site.text[before.end : token.start]:
            continue
        line_end = site.src.lines[site.src.line_at(token.start)].end
        rest = tokens[index:]
        if token.kind == STRING and rest[-1] is token and site.text[before.end : token.start].startswith((" ", "\t")):
            if token.text.lstrip("rRbBuU")[:3] in ('"""', "'''") and "\n" not in token.text:
                yield Candidate("late_docstring", -3.0, ((token.start, token.start, "# "),), 0.0)
            elif "\n" not in token.text:
                yield Candidate("late_docstring", 3.0, ((token.start, token.start, "# "),), 0.0)
        words = sum(1 for t in rest if t.kind == NAME)
        if token.start < line_end and words >= 2 and site.text[before.end : token.start]:
            yield Candidate("late_comment", 6.0 - min(words, 6) * 0.3, ((token.start, token.start, "# "),), 0.0)


def is_prose(src: Source, index: int) -> bool:
    """Does the line read as a sentence rather than as code? Names side by side, no call, no assignment."""
    line = src.lines[index]
    text = src.text[line.start : line.end].strip()
    tokens = src.code(index)
    if not tokens or text[:1] in "#@\"'([{" or line.inside or tokens[0].text in ("print", "exec"):
        return False
    if tokens[0].text in KEYWORDS and tokens[0].text not in ENGLISH:
        return False
    if tokens[0].text in ("from", "import") and len(tokens) < 12 and _IMPORT.match(text):
        return False
    pairs = sum(
        1 for a, b in itertools.pairwise(tokens)
        if a.kind == NAME and b.kind == NAME and a.text not in KEYWORDS and b.text not in KEYWORDS
    )  # fmt: skip
    odd = sum(1 for token in tokens if token.kind in (BAD, BADSTR) or token.text in ("?", "!", "..."))
    names = sum(1 for token in tokens if token.kind == NAME)
    calls = text.count("(") + text.count("=") * 2
    return (pairs + odd > calls and (names >= 2 or odd > 0)) or (pairs >= 3 and pairs > calls)


def _prose(site: Site) -> Iterator[Candidate]:
    """A run of lines of prose becomes comments, or a docstring where it stands at the top."""
    src = site.src
    if not is_prose(src, site.at):
        return
    low = high = site.at
    lines = src.lines
    while low > 0 and is_prose(src, low - 1):
        low -= 1
    while high + 1 < len(lines) and (is_prose(src, high + 1) or _plain(src, high + 1)):
        high += 1
    while high > site.at and not src.has_code(high):
        high -= 1
    marks = [lines[i].start + len(lines[i].indent) for i in range(low, high + 1) if src.has_code(i)]
    here = lines[site.at].start + len(lines[site.at].indent)
    first_code = next((i for i in range(len(lines)) if src.has_code(i)), 0)
    heading = HEADING if site.fault.kind == "IndentationError" else 1.0
    cost = 2.5 - 1.5 * min(_wordiness(src, site.at), 4) - heading * (site.at == first_code)
    start = lines[0].start if low == high == 0 else here  # a heading with a stray indent
    yield Candidate("prose", cost, ((start, here, "# "),), 0.0)
    if high > low:
        cost -= min(high - low, 3)
        yield Candidate("prose", cost, tuple((mark, mark, "# ") for mark in marks), 0.0)
    if low <= first_code and high - low >= 2:
        last = _code_after(src, high) - 1
        while last > low and not src.text[lines[last].start : lines[last].end].strip():
            last -= 1
        opened, end = (lines[low].start, lines[low].start, '"""'), lines[last].end
        yield Candidate("prose_docstring", cost - 2.0, (opened, (end, end, '"""')), 0.0)
        yield Candidate("prose_docstring", cost - 1.5, (opened, (end, end, newline_of(src.text) + '"""')), 0.0)


def _wordiness(src: Source, index: int) -> int:
    """How many neighbours on the line are both plain words."""
    tokens = src.code(index)
    return sum(
        a.kind == NAME and b.kind == NAME and b.text not in KEYWORDS and b.start > a.end
        for a, b in itertools.pairwise(tokens)
    )


def _plain(src: Source, index: int) -> bool:
    """Within a run of prose: a blank line, a number, a lone word."""
    line = src.lines[index]
    text = src.text[line.start : line.end].strip()
    return not text or (not line.indent and not re.search(r"[=(){}\[\]]|:$", text) and text.split()[0] not in KEYWORDS)


def _code_after(src: Source, index: int) -> int:
    """The first line behind `index` that surely is code."""
    for at in range(index + 1, min(len(src.lines), index + 80)):
        text = src.text[src.lines[at].start : src.lines[at].end]
        if re.match(r"(?:def|class|import|from|if|for|while|try|with|@|print\(|\w+ ?= ?)\b|[\"'#]", text):
            return at
    return index + 1
