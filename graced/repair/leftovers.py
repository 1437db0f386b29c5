"""What an edit left behind or took away with it: tails of the old version, lines put in at the wrong place or depth."""

import re
from collections.abc import Callable, Iterator
from typing import Final

from graced.repair.edits import Candidate, Edit, merged
from graced.repair.indent import newline_of, step_of
from graced.repair.lex import BADSTR, CLOSES, COMMENT, HEADERS, KEYWORDS, NAME, OPENS, Source
from graced.repair.site import Site

_HEX: Final = re.compile(r"(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,40}$")
_HEAD: Final = re.compile(r"(def|class|import|from|return|if|elif|else|for|while|try|except|with|async|raise|assert)\b")
_GLUED: Final = re.compile(r"([A-Za-z]{1,3})(def|class|import|from|return|while|async|except|elif|raise)$")
_MARKER: Final = re.compile(r"(?:<{7}|>{7}|={7}|\|{7})(?=[ \t\r\n]|\Z)[^\r\n]*")
_OPEN_IMPORT: Final = re.compile(r"from[ \t]+[\w.]+[ \t]+import[ \t]*\([ \t]*$")
_WHOLE_IMPORT: Final = re.compile(
    r"(?:from[ \t]+[\w.]+[ \t]+)?import[ \t]+\w[\w.]*(?:[ \t]*,[ \t]*\w+)*(?:[ \t]+as[ \t]+\w+)?[ \t]*$"
)
MAX_LINES: Final = 60


def candidates(site: Site) -> Iterator[Candidate]:
    if site.tokens:
        for way in _WAYS:
            yield from way(site)


def _tail(site: Site) -> Iterator[Candidate]:
    """A line whose words the statement above has already, and whose bracket nothing opened."""
    src = site.src
    above = src.previous_logical(site.low)
    if above is None or site.low - above > 40:
        return
    words = [t.text for t in site.tokens]
    opened = sum(w in OPENS for w in words) - sum(w in CLOSES for w in words)
    if opened >= 0 or len(words) > 12:
        return
    old = [t.text for i in range(above, src.logical_end(above) + 1) for t in src.code(i)]
    meant = [w for w in words if w not in CLOSES and w != ","]
    if (meant and all(w in old for w in meant)) or (not meant and len(words) == 1 and old[-1:] == words):
        yield Candidate("leftover_tail", -6.0, ((src.lines[site.low].start, src.lines[site.high].next, ""),), 0.0)


def _commented_rest(site: Site) -> Iterator[Candidate]:
    """The first line of a call over several was made a comment; so are the others, up to the bracket it opened."""
    src = site.src
    for first in range(site.at, max(-1, site.at - 12), -1):
        line = src.lines[first]
        comment = src.tokens[line.first] if line.first < line.stop else None
        if comment is None or comment.kind != COMMENT or comment.text.rstrip()[-1:] not in ("(", "[", "{"):
            continue
        depth, edits = 1, []
        for index in range(first + 1, min(len(src.lines), first + 40)):
            code = src.code(index)
            if code:
                at = code[0].start
                edits.append((at, at, "# "))
            for token in code:
                depth += (token.text in OPENS) - (token.text in CLOSES)
            if depth <= 0:
                yield Candidate("commented_rest", -4.0, tuple(edits), 0.0)
                return
        return


def _empty_import(site: Site) -> Iterator[Candidate]:
    """`from a import (` and nothing in it."""
    words = [t.text for t in site.tokens]
    if words[0] == "from" and words[-3:] == ["import", "(", ")"]:
        src = site.src
        yield Candidate("empty_import", -2.0, ((src.lines[site.low].start, src.lines[site.high].next, ""),), 0.0)


def _import_inside(site: Site) -> Iterator[Candidate]:
    """Imports that were put between the brackets of another one: they go behind that."""
    src = site.src
    opener = next((i for i in range(site.at, max(-1, site.at - 8), -1) if _OPEN_IMPORT.match(_text(src, i))), None)
    if opener is None:
        return
    inner = opener + 1
    while inner < len(src.lines) and (not _text(src, inner).strip() or _WHOLE_IMPORT.match(_text(src, inner))):
        inner += 1
    close = next(
        (i for i in range(inner, min(len(src.lines), inner + MAX_LINES)) if _text(src, i).rstrip() == ")"), None
    )
    if close is None or inner == opener + 1:
        return
    moved = "".join(
        src.text[src.lines[i].start : src.lines[i].next] for i in range(opener + 1, inner) if _text(src, i).strip()
    )
    at = src.lines[close].next
    yield Candidate("import_inside", -8.0, ((src.lines[opener].next, src.lines[inner].start, ""), (at, at, moved)), 0.0)


def _text(src: Source, index: int) -> str:
    return src.text[src.lines[index].start : src.lines[index].end]


def _lost_try(site: Site) -> Iterator[Candidate]:
    """`except` without its `try`: what is above it in its block, or only the last statement, is tried."""
    src = site.src
    if src.first_word(site.low) not in ("except", "finally"):
        return
    level, step, newline = src.lines[site.low].width, step_of(src, site.low), newline_of(site.text)
    starts: list[int] = []
    at = src.previous_logical(site.low)
    while at is not None and src.lines[at].width >= level and len(starts) < 8:
        if src.lines[at].width == level:
            starts.append(at)
        at = src.previous_logical(at)
    for order, start in enumerate(dict.fromkeys((starts[:1] + starts[-1:]) if starts else [])):
        if src.first_word(start) in ("try", "except", "finally", "else", "elif"):
            continue
        indent = src.lines[start].indent
        edits: list[Edit] = [(src.lines[start].start, src.lines[start].start, f"{indent}try:{newline}")]
        for index in range(start, site.low):
            line = src.lines[index]
            if line.first < line.stop and not line.inside and line.end > line.start:
                edits.append((line.start, line.start, step))
        yield Candidate("lost_try", 0.5 + order, _joined(edits), 0.0)


def _joined(edits: list[Edit]) -> tuple[Edit, ...]:
    """Insertions at one place as one."""
    out: list[Edit] = []
    for edit in edits:
        if out and out[-1][:2] == edit[:2]:
            out[-1] = (edit[0], edit[1], out[-1][2] + edit[2])
        else:
            out.append(edit)
    return tuple(out)


def _deindented(site: Site) -> Iterator[Candidate]:
    """Lines written at the margin inside a block that goes on below: they get its indentation."""
    src = site.src
    if site.fault.kind != "IndentationError":
        return
    for low in dict.fromkeys((site.low, src.previous_logical(site.low))):
        if low is None:
            continue
        width = src.lines[low].width
        while True:
            above = src.previous_logical(low)
            if (
                above is None
                or src.lines[above].width != width
                or src.first_word(above) in ("def", "class", "import", "from", "@")
            ):
                break
            low = above
        run: list[int] = []
        at: int | None = low
        while at is not None and src.lines[at].width >= width and len(run) < MAX_LINES:
            if src.lines[at].width > width and not (run and src.first_word(run[-1]) in HEADERS | {"@"}):
                inner = [i for i in run if src.lines[i].width == width]
                if len(inner) == len(run):
                    break
            run.append(at)
            at = src.next_logical(src.logical_end(at))
        header = src.previous_logical(low)
        if header is None or at is None or not run:
            continue
        target = src.lines[at].width
        if (
            target <= width
            or src.lines[header].width > target
            or any(src.first_word(i) in ("def", "class", "import", "from", "@") for i in run)
        ):
            continue
        code = src.code(src.logical_end(header))
        if src.lines[header].width == target or (code and code[-1].text == ":" and src.lines[header].width < target):
            edits: list[Edit] = []
            for index in range(run[0], src.logical_end(run[-1]) + 1):
                line = src.lines[index]
                if line.first < line.stop and not line.inside and line.end > line.start:
                    edits.append((line.start, line.start, src.lines[at].indent[len(src.lines[run[0]].indent) :]))
            yield Candidate("deindented", -2.0 + 0.1 * len(run), tuple(edits), 0.0)


def _litter(site: Site) -> Iterator[Candidate]:
    """Letters typed by accident before a statement's first word, behind a statement, or a commit's id there."""
    src, text = site.src, site.text
    for index in dict.fromkeys((site.low, site.at)):
        code = src.code(index)
        if not code:
            continue
        first = code[0]
        known = site.scorer.names[first.text] > 1
        short = first.kind == NAME and len(first.text) <= 3 and not known and first.text not in KEYWORDS
        second = code[1] if len(code) > 1 and code[1].kind == NAME else None
        if short and second is not None and _HEAD.match(second.text) and second.text not in ("if", "for"):
            blanks = " " * len(first.text) if text[first.end : second.start] != " " else ""
            stop = first.end if blanks else second.start
            yield Candidate("litter", -5.0, ((first.start, stop, blanks),))
        match = _GLUED.match(first.text) if first.kind == NAME and not site.scorer.names[first.text] else None
        if match is not None and len(code) > 1 and code[1].kind == NAME:
            yield Candidate("litter", -5.0, ((first.start, first.start + match.end(1), ""),))
        last = code[-1]
        if len(code) > 2 and _HEX.match(text[code[-2].start : last.end]) and code[-2].end == last.start:
            yield Candidate("litter", -3.0, ((code[-3].end, last.end, ""),), 0.0)
        elif len(code) > 1 and _HEX.match(last.text) and code[-2].end < last.start:
            yield Candidate("litter", -3.0, ((code[-2].end, last.end, ""),), 0.0)
        elif (
            len(code) > 1
            and last.kind == NAME
            and len(last.text) == 1
            and code[-2].text in (")", "]")
            and code[-2].end == last.start
        ):
            yield Candidate("litter", -2.0, ((last.start, last.end, ""),))


def _markers(site: Site) -> Iterator[Candidate]:
    """Markers that a resolved conflict left, of one kind only, so that there is nothing to choose."""
    found = list(_whole_lines(site.src))
    if found and len({site.text[start : start + 1] for start, _ in found}) == 1:
        yield Candidate("marker_rest", -400.0, tuple((start, end, "") for start, end in found), 0.0)


def _whole_lines(src: Source) -> list[tuple[int, int]]:
    return [(line.start, line.next) for line in src.lines if _MARKER.fullmatch(src.text, line.start, line.end)]


def _torn_string(site: Site) -> Iterator[Candidate]:
    r"""A `\n` of a string that became a newline: the string goes on at the beginning of the next line."""
    src, text = site.src, site.text
    edits: list[Edit] = []
    for index, line in enumerate(src.lines[:-1]):
        bad = src.tokens[line.stop - 1] if line.stop > line.first else None
        if bad is not None and bad.kind not in (BADSTR,) and line.stop - line.first > 1:
            bad = src.tokens[line.stop - 2]
        if bad is None or bad.kind != BADSTR or "\n" in bad.text.strip("\r\n"):
            continue
        quote = bad.text.lstrip("rRbBuUfF")[:1]
        below = src.lines[index + 1]
        rest = text[below.start : below.end]
        if quote in "\"'" and rest.count(quote) % 2 == 1 and not rest[:1].isspace():
            edits.append((line.end, below.start, "\\n"))
    if edits:
        yield Candidate("torn_string", -8.0, merged(edits))


def _elif_last(site: Site) -> Iterator[Candidate]:
    """`elif` behind `else`: the `else` goes to the end."""
    src = site.src
    if src.first_word(site.low) != "elif":
        return
    level = src.lines[site.low].width
    at = src.previous_logical(site.low)
    while at is not None and src.lines[at].width > level:
        at = src.previous_logical(at)
    if at is None or src.first_word(at) != "else" or src.lines[at].width != level:
        return
    end = src.logical_end(site.low)
    following = src.next_logical(end)
    while following is not None and (
        src.lines[following].width > level
        or (src.lines[following].width == level and src.first_word(following) == "elif")
    ):
        end = src.logical_end(following)
        following = src.next_logical(end)
    start, middle, stop = src.lines[at].start, src.lines[site.low].start, src.lines[end].next
    moved, stays = src.text[start:middle], src.text[middle:stop]
    if not stays.endswith("\n"):
        stays += newline_of(src.text)
    yield Candidate("clause_order", -8.0, ((start, stop, stays + moved.rstrip("\r\n") + newline_of(src.text)),), 0.0)


def _inner_quotes(site: Site) -> Iterator[Candidate]:
    """A docstring that holds triple quotes: those inside are escaped, up to a line of nothing but quotes."""
    src, text = site.src, site.text
    for start in range(site.at, max(-1, site.at - MAX_LINES), -1):
        line = src.lines[start]
        stripped = text[line.start : line.end].strip()
        quotes = stripped[:3]
        if quotes not in ('"""', "'''") or stripped == quotes:
            continue
        above = src.lines[start - 1] if start else None
        if above is None or not text[above.start : above.end].rstrip().endswith(":"):
            continue
        end = next(
            (
                i
                for i in range(start + 1, min(len(src.lines), start + 2 * MAX_LINES))
                if text[src.lines[i].start : src.lines[i].end].strip() == quotes
            ),
            None,
        )
        if end is None or end < site.at:
            continue
        inner = [
            m.start()
            for m in re.finditer(re.escape(quotes), text)
            if line.start + len(line.indent) + 3 <= m.start() < src.lines[end].start
        ]
        if inner and len(inner) % 2 == 0:
            yield Candidate("inner_quotes", -2.0, tuple((at, at, "\\") for at in inner), 0.0)
            return


_WAYS: Final[tuple[Callable[[Site], Iterator[Candidate]], ...]] = (
    _tail, _commented_rest, _empty_import, _import_inside, _lost_try, _deindented, _litter, _markers, _torn_string,
    _elif_last, _inner_quotes,
)  # fmt: skip
