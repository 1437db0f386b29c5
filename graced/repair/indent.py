"""Indentation: too much, too little, tabs against spaces, bodies that were not indented."""

from collections import Counter
from collections.abc import Iterator

from graced.repair.edits import Candidate, Edit
from graced.repair.lex import COMMENT, HEADERS, JUMPS, Source
from graced.repair.site import Site

STEP = 4
MAX_LINES = 400
"""A block longer than this is not shifted."""
MAX_STEPS = 9
"""Blocks that are asked how far they indent."""
MAX_LEVELS = 8
"""Open blocks that a line may be moved to, the innermost first."""
CLAUSES = frozenset(("elif", "else", "except", "finally"))


def candidates(site: Site) -> Iterator[Candidate]:
    if site.fault.kind in ("TabError", "IndentationError"):
        yield from _tabs(site)
    if (
        site.fault.kind in ("IndentationError", "TabError")
        or site.said("outside function", "outside loop", "not properly in loop", "expected 'except'", "outside async")
        or site.here == 0
        or site.src.first_word(site.low) in CLAUSES
    ):
        yield from _shifts(site)


def block_body(site: Site) -> Iterator[Candidate]:
    """After `expected an indented block`: indent what follows, or say `pass`."""
    src = site.src
    if not site.said("expected an indented block"):
        return
    header = _header(site)
    if header is None:
        return
    step = step_of(src, header)
    base = src.lines[header].indent
    follow = src.next_logical(src.logical_end(header))
    after = src.lines[src.logical_end(header)].end
    newline = newline_of(site.text)
    last = src.tokens[src.lines[src.logical_end(header)].stop - 1] if src.lines[header].stop else None
    if last is not None and last.text in ("\n", "\r\n", "\r"):
        after = last.start
    said = [src.lines[i] for i in range(src.logical_end(header) + 1, follow if follow is not None else len(src.lines))]
    commented = any(
        line.width > src.lines[header].width and line.first < line.stop and src.tokens[line.first].kind == COMMENT
        for line in said
    )
    if commented:  # the body is there, as a comment
        yield Candidate("body_commented", -3.0, ((after, after, f"{newline}{base}{step}pass"),), 0.0)
    yield Candidate("missing_body", 3.0, ((after, after, f"{newline}{base}{step}pass"),))
    if follow is None:
        return
    level = src.lines[header].width
    if src.lines[follow].width < level:
        return
    blanks = sum(not src.has_code(i) for i in range(src.logical_end(header) + 1, follow))
    runs = list(_runs(src, follow))
    for count, run in enumerate(runs):
        edits = _reindented(src, run, base + step)
        whole = src.first_word(header) in ("def", "class")
        cost = (
            1.5
            + (0.4 * (len(runs) - 1 - count) if whole else 0.8 * count)
            - (1.5 if not count else 0.3) * (src.first_word(run[-1]) in JUMPS)
        )
        if _before_clause(src, run[-1], level):
            cost -= 2.0
        cost += 2.0 * min(blanks, 3)
        if src.first_word(follow) in ("def", "class", "@", *CLAUSES):
            cost += -2.0 if src.first_word(header) == "class" and _is_method(src, follow) else 5.0
        yield Candidate("missing_indent", cost, edits)
    for width, indent in _indents(src, header).items():
        if width < level:
            cost = 2.0 + 2.0 * min(blanks, 3) + _fit(src, header, width, len(step.expandtabs(8)))
            yield Candidate("indent_line", cost, _reindented(src, [header], indent))
    words = [token.text for token in src.code(header)][:2]
    if words[:1] in (["def"], ["class"]) and [token.text for token in src.code(follow)][:2] == words:
        yield Candidate("doubled_header", 1.0, ((src.lines[header].start, src.lines[follow].start, ""),))


def _header(site: Site) -> int | None:
    """The line of the header that the interpreter names ("after 'if' statement on line 7")."""
    number = site.message.rsplit(" ", 1)[-1]
    if number.isdigit() and 0 < int(number) <= len(site.src.lines):
        return int(number) - 1
    return site.src.previous_logical(site.low)


def _runs(src: Source, start: int) -> Iterator[list[int]]:
    """Growing runs of physical lines from `start` on, ending where a statement of its level ends."""
    level = src.lines[start].width
    run: list[int] = []
    at: int | None = start
    while at is not None and len(run) < MAX_LINES:
        end = src.logical_end(at)
        following = src.next_logical(end)
        while following is not None and src.lines[following].width > level and following - start < MAX_LINES:
            end = src.logical_end(following)
            following = src.next_logical(end)
        run = list(range(start, end + 1))
        yield run
        gap = following is not None and any(not src.has_code(i) for i in range(end + 1, following))
        if following is None or src.lines[following].width < level or gap:
            return
        if src.first_word(following) in CLAUSES:
            return
        at = following


def _before_clause(src: Source, last: int, level: int) -> bool:
    following = src.next_logical(last)
    return following is not None and src.lines[following].width == level and src.first_word(following) in CLAUSES


def _tabs(site: Site) -> Iterator[Candidate]:
    """Tabs of the line, and of every line, as so many spaces as the lines around it say."""
    src = site.src
    lines = [line for line in src.lines if "\t" in line.indent and line.first < line.stop and not line.inside]
    tabbed = "\t" in src.lines[site.low].indent or site.fault.kind == "TabError"
    near = [site.low]
    before = src.previous_logical(site.low)
    while before is not None and len(near) < 4:
        near.append(before)
        before = src.previous_logical(before)
    for size in (8, 4, 2):
        for order, index in enumerate(near):
            line = src.lines[index]
            if "\t" in line.indent:
                one = (line.start, line.start + len(line.indent), line.indent.expandtabs(size))
                fit = 3.0 * _neighbours(src, index, len(one[2]))
                yield Candidate("tabs", 0.5 + 1.0 * (not tabbed) + 0.1 * abs(size - 4) + 0.5 * order + fit, (one,))
        if len(lines) > 1:
            edits = tuple((line.start, line.start + len(line.indent), line.indent.expandtabs(size)) for line in lines)
            yield Candidate("tabs_all", 1.0 + 3.0 * (not tabbed) + 0.1 * abs(size - 4), edits)


def _shifts(site: Site) -> Iterator[Candidate]:
    """The statement at the fault, the block that begins there, or the one before, moved to a level that is open."""
    src = site.src
    starts = [site.low]
    before = src.previous_logical(site.low)
    if site.said("expected an indented block"):  # the header is for `block_body` to move
        before = src.previous_logical(before) if before is not None else None
    while before is not None and len(starts) < 8:
        above = src.previous_logical(before)
        if len(starts) < 2 or (above is not None and src.lines[above].width != src.lines[before].width):
            starts.append(before)
        before = above
    step = max(1, len(step_of(src, site.low).expandtabs(8)))
    for order, start in enumerate(starts):
        line = src.lines[start]
        levels = _indents(src, start)
        above = src.previous_logical(start)
        missing = site.said("expected an indented block") and not order  # for `block_body` to say
        if above is not None and src.first_word(above) in HEADERS and _ends_in_colon(src, above) and not missing:
            deeper = src.lines[above].indent + step_of(src, above)
            levels.setdefault(len(deeper.expandtabs(8)), deeper)
        below = src.next_logical(src.logical_end(start))
        if below is not None:
            levels.setdefault(src.lines[below].width, src.lines[below].indent)
        for width, indent in levels.items():
            if indent == line.indent:
                continue
            cost = 1.0 + min(2.5 * order, 3.0 + 0.3 * order) + 0.3 * min(abs(width - line.width), 6)
            cost += _grid(line.width, width, step)
            cost -= 2.0 * (abs(width - line.width) == 1 and line.width % step != 0)
            alone = cost + _fit(src, start, width, step)
            single = list(range(start, start + 1))
            whole = list(range(start, src.logical_end(start) + 1))
            yield Candidate("indent_line", alone, _reindented(src, single, indent))
            if len(whole) > 1:
                yield Candidate("indent_statement", alone + 0.5, _reindented(src, whole, indent))
            for kind, run in (("indent_block", _block(src, start)), ("indent_run", _run(src, start))):
                if run[-1] > whole[-1]:
                    size = 0.7 + min(0.25 * len(run), 4.0)
                    if kind == "indent_block" and _keeps_step(src, start, step) and line.width % step:
                        size = -2.5  # header and body are off together
                    if kind == "indent_run" and src.first_word(start) in JUMPS and width:
                        size += 4.0  # what follows a return at its level is never reached
                    off_grid = all(src.lines[i].width % step for i in run if src.lines[i].logical)
                    if off_grid and not width % step:
                        size = -1.0  # all of it is off the grid
                    yield Candidate(kind, cost + size, _reindented(src, run, indent))


def _keeps_step(src: Source, start: int, step: int) -> bool:
    """Is the body below the header on line `start` one step deeper than that?"""
    body = src.next_logical(src.logical_end(start))
    return body is not None and src.lines[body].width == src.lines[start].width + step


def _grid(old: int, new: int, step: int) -> float:
    """Nats for the multiples of the file's step; with tabs there is no grid."""
    if step > STEP:
        return 0.0
    return 1.5 * (new % step != 0) - (3.0 if old % step and not new % step else 0.0)


def _fit(src: Source, start: int, width: int, step: int) -> float:
    """How well a new width suits a line that is moved alone: the body below it, `self` in a class."""
    line = src.lines[start]
    cost = 0.0
    if src.first_word(start) in HEADERS and _ends_in_colon(src, start):
        body = src.next_logical(src.logical_end(start))
        if body is not None and src.lines[body].width > line.width:
            cost += 1.5 * (src.lines[body].width - width != step) - 3.5 * (src.lines[body].width - line.width != step)
    above = src.previous_logical(start)
    if above is not None and _ends_in_colon(src, above):  # the first line of a body
        base = src.lines[above].width
        cost -= 3.5 * (line.width - base != step and width - base == step)
    return cost + _neighbours(src, start, width) + (2.5 if not width and _is_method(src, start) else 0.0)


def _neighbours(src: Source, start: int, width: int) -> float:
    """Nats off for line `start` at the width of a comment right above, or of the paragraph that begins with it."""
    if not start:
        return 0.0
    above, line = src.lines[start - 1], src.lines[start]
    if above.first < above.stop and src.tokens[above.first].kind == COMMENT:
        return -1.5 * (above.width == width)
    below = src.lines[start + 1] if start + 1 < len(src.lines) else line
    return -1.0 * (not src.has_code(start - 1) and below.logical and below.width == width)


def _is_method(src: Source, index: int) -> bool:
    code = src.code(index)
    return len(code) > 3 and code[0].text == "def" and code[3].text in ("self", "cls")


def _indents(src: Source, index: int) -> dict[int, str]:
    """The blanks of the blocks open at line `index`, by width."""
    found: dict[int, str] = {}
    lowest = 1 << 30
    for at in range(index - 1, max(-1, index - 600), -1):
        line = src.lines[at]
        if line.logical and line.width < lowest:
            found[line.width] = line.indent
            lowest = line.width
            if not lowest or len(found) >= MAX_LEVELS:
                break
    found.setdefault(0, "")
    return found


def _ends_in_colon(src: Source, index: int) -> bool:
    tokens = src.code(src.logical_end(index))
    return bool(tokens) and tokens[-1].text == ":"


def _block(src: Source, start: int) -> list[int]:
    """The statement at `start` with what is indented below it."""
    level = src.lines[start].width
    end = src.logical_end(start)
    following = src.next_logical(end)
    while following is not None and src.lines[following].width > level and following - start < MAX_LINES:
        end = src.logical_end(following)
        following = src.next_logical(end)
    return list(range(start, end + 1))


def _run(src: Source, start: int) -> list[int]:
    """The statements from `start` on that are at its level or deeper."""
    level = src.lines[start].width
    end = src.logical_end(start)
    following = src.next_logical(end)
    while following is not None and src.lines[following].width >= level and following - start < MAX_LINES:
        end = src.logical_end(following)
        following = src.next_logical(end)
    return list(range(start, end + 1))


def _reindented(src: Source, run: list[int], indent: str) -> tuple[Edit, ...]:
    """Moves the first line of `run` to `indent` and the others by as much; strings keep their inner lines."""
    first = src.lines[run[0]]
    edits: list[Edit] = []
    for index in run:
        line = src.lines[index]
        if line.inside or line.first >= line.stop or line.end == line.start + len(line.indent):
            continue
        old = line.indent
        if index == run[0] or line.width == first.width:
            new = indent
        elif old.startswith(first.indent):
            new = indent + old[len(first.indent) :]
        else:
            new = " " * max(0, line.width - first.width + len(indent.expandtabs(8)))
        if new != old:
            edits.append((line.start, line.start + len(old), new))
    return tuple(edits)


def step_of(src: Source, index: int) -> str:
    """One level of indentation, as the file does it: what most blocks around line `index` add."""
    if "\t" in src.lines[index].indent:
        return "\t"
    steps: Counter[str] = Counter()
    for at in [*range(index, max(-1, index - 200), -1), *range(index + 1, min(len(src.lines), index + 200))]:
        if src.lines[at].logical and src.first_word(at) in HEADERS and _ends_in_colon(src, at):
            body = src.next_logical(src.logical_end(at))
            if body is not None and src.lines[body].width > src.lines[at].width:
                inner, outer = src.lines[body].indent, src.lines[at].indent
                if inner.startswith(outer) and 0 < len(inner) - len(outer) <= 8:
                    steps[inner[len(outer) :]] += 1
                    if steps.total() >= MAX_STEPS:
                        break
    return steps.most_common(1)[0][0] if steps else " " * STEP


def newline_of(text: str) -> str:
    """The newline that the text uses first."""
    at = text.find("\n")
    if at < 0:
        return "\r" if "\r" in text else "\n"
    return "\r\n" if at and text[at - 1] == "\r" else "\n"
