"""What came with the code from where it was copied: fences, prose, prompts, gutters, tags, escapes, edit blocks.

Each way in looks at the whole text and is recognised by its shape, before any fault is searched for.
"""

import html
import itertools
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final

from graced.repair.edits import Candidate, Edit, applied, merged
from graced.repair.lex import COMMENT, STRING, all_tokens, is_name

Lines = list[tuple[int, int, str]]
"""(start, end without the newline, text) of each line that is not inside a triple-quoted string."""

_FENCE: Final = re.compile(r"[ \t]*(?:```+|~~~+)[ \t]*([\w+#.-]*)[ \t]*(?:[\w=\"'./{}:-]+[ \t]*)*$")
MAX_BLOCKS: Final = 200
"""Blocks of one kind in a text; more are no paste, and each is looked for to the end of the text."""
_PYTHON: Final = frozenset(("", "py", "python", "python3", "py3", "pycon", "ipython"))
_CODE: Final = re.compile(
    r"(?:def|class|import|if|for|while|try|with|async|return|print|elif|else|except|raise|assert|lambda)\b[^.!?]*$"
    r"|from[ \t]+[\w.]+[ \t]+import\b|@\w|#|\"\"\"|'''|[\w.\[\]]+[ \t]*(?:[-+*/|&]?=|\()|[)\]}]|__\w+__"
)
_WORDS: Final = re.compile(
    r"[*#>\d.)\s-]*[A-Z\"'`*][\w'’`*\".,:;()/!?–—-]*(?:\s+\S+)+|\*\*.+\*\*:?$|[-*]\s+\w+(?:\s+\S+)+|#{1,6} \S"
)
_LABEL: Final = re.compile(
    r"[ \t]*(?:python3?|py|Python|Copy code|Copy|Copied!?|Edit|Copy Edit|Code|Run|Always show details)[ \t]*$"
)
_TAG: Final = re.compile(
    r"[ \t]*</?(?:code|pre|answer|file|python|solution|output|result|response|artifact|content|update)\b[^<>]*>[ \t]*$",
    re.IGNORECASE,
)
_THINK: Final = re.compile(
    r"^[ \t]*<(think|thinking|thought|reasoning|scratchpad|reflection)>[\s\S]*?</\1>[ \t]*$", re.MULTILINE
)
_GUTTER: Final = re.compile(r"[ \t]*(\d+)(?:[ \t]*[|:│→]|\t|[ ]{2}|\.[ ]|[ \t]*$|[ ])")
_PROMPT: Final = re.compile(r"[ \t]*(?:>>>|In ?\[[\d ]*\]:)(?: |$)")
_MORE: Final = re.compile(r"[ \t]*(?:\.\.\.:?)(?: |$)")
_OUT: Final = re.compile(r"Out ?\[\d+\]:")
_SHELL: Final = re.compile(
    r"\$ \S|(?:python3?|pip3?|bash|sh|cd|npm|git|sudo|source|chmod|cat|export)[ \t]+[-\w./~]+"
    r"(?:[ \t]+[-\w./=<>|&\"']+)*[ \t]*$"
)
_ELISION: Final = re.compile(
    r"[ \t]*(?:\[?\.\.\.+\s*\(?[A-Za-z][\w ,'’-]*\)?(?:\s*\.\.\.+)?\]?|<!--.*-->"
    r"|\(.*(?:unchanged|existing code|remains the same).*\))[ \t]*$"
)
_SEARCH: Final = re.compile(
    r"^[ \t]*<{5,9} ?(?:SEARCH|ORIGINAL|OLD|HEAD)?[ \t]*\r?\n([\s\S]*?)^[ \t]*={5,9}[ \t]*\r?\n"
    r"([\s\S]*?)^[ \t]*>{5,9} ?(?:REPLACE|UPDATED|NEW)[ \t]*(?:\r?\n|\Z)",
    re.MULTILINE,
)  # fmt: skip
_ENTITY: Final = re.compile(r"&(?:lt|gt|amp|quot|apos|nbsp|#39|#34|#x27);")
_BLOCK: Final = re.compile(r"^[ \t]*/\*[\s\S]*?\*/[ \t]*$", re.MULTILINE)
_MARKS: Final = re.compile(r"[+-](?![+-])(?=[ \t]|[A-Za-z_@#\"'()\]}]|$)")


def candidates(text: str) -> Iterator[Candidate]:
    """The ways to take out of `text` what was copied with it, the surest first. Their edits are for the whole text."""
    for way in _WAYS:
        yield from way(text)


@lru_cache(maxsize=4)
def _lines(text: str) -> Lines:
    """The lines of `text` without those inside triple-quoted strings that end."""
    inside = [(t.start, t.end) for t in all_tokens(text) if t.kind == STRING and "\n" in t.text]
    found, at, index = [], 0, 0
    for line in text.splitlines(keepends=True):
        end = at + len(line.rstrip("\r\n"))
        while index < len(inside) and inside[index][1] <= at:
            index += 1
        if not (index < len(inside) and inside[index][0] < at):
            found.append((at, end, text[at:end]))
        at += len(line)
    return found


def _comment(start: int, line: str) -> Edit:
    at = start + len(line) - len(line.lstrip())
    return (at, at, "# ")


def _removed(text: str, start: int, end: int) -> Edit:
    """The whole line goes, with its newline."""
    after = end
    if text[after : after + 2] == "\r\n":
        after += 2
    elif text[after : after + 1] in ("\n", "\r"):
        after += 1
    return (start, after, "")


def _fenced(text: str) -> Iterator[Candidate]:
    """Fences of Markdown: Python inside is kept, words outside become comments, and so do blocks of other languages."""
    if "```" not in text and "~~~" not in text:
        return
    lines = _lines(text)
    fences = [i for i, line in enumerate(lines) if _FENCE.match(line[2])]
    if not fences:
        return
    opening = _FENCE.match(lines[fences[0]][2])
    assert opening is not None
    before = [line for line in lines[: fences[0]] if line[2].strip()]
    edits: list[Edit] = []
    closing_only = len(fences) == 1 and not opening.group(1) and any(_CODE.match(line[2]) for line in before)
    inside = closing_only
    language = ""
    for index, (start, end, line) in enumerate(lines):
        if index in fences:
            match = _FENCE.match(line)
            assert match is not None
            if not inside:
                language = match.group(1).lower()
            inside = not inside
            edits.append(_removed(text, start, end))
        elif line.strip() and not (inside and language in _PYTHON):
            edits.append(_comment(start, line))
    yield Candidate("pasted_fence", 0.0, merged(edits), 0.0)


def _thought(text: str) -> Iterator[Candidate]:
    edits = [
        _comment(match.start() + sum(map(len, lines[:i])), line.rstrip("\r\n"))
        for match in (_THINK.finditer(text) if 0 < text.count("</") <= MAX_BLOCKS else ())
        for lines in [match.group().splitlines(keepends=True)]
        for i, line in enumerate(lines)
        if line.strip()
    ]
    tags = [_removed(text, start, end) for start, end, line in _lines(text) if _TAG.match(line)]
    if edits or tags:
        yield Candidate("pasted_tag", 0.0, merged([*edits, *tags]), 0.0)


def _prose(text: str) -> Iterator[Candidate]:
    """Sentences above the first line of code, labels of a page's buttons, and sentences below the last line."""
    lines = [line for line in _lines(text) if line[2].strip()]
    head: list[Edit] = []
    for start, _, line in lines:
        if not (_LABEL.match(line) or _is_sentence(line)):
            break
        head.append(_comment(start, line))
    if len(head) == len(lines) or (len(head) == 1 and _LABEL.match(lines[0][2]) and " " not in lines[0][2].strip()):
        head = []
    tail: list[Edit] = []
    for start, _, line in reversed(lines[len(head) :]):
        if line[:1] in " \t" or not _is_sentence(line):
            break
        tail.append(_comment(start, line))
    if len(head) + len(tail) < len(lines):
        if head and tail:
            yield Candidate("pasted_prose", 0.5, merged([*head, *tail]), 0.0)
        if head:
            yield Candidate("pasted_prose", 0.5, merged(head), 0.0)
        if tail:
            yield Candidate("pasted_prose", 0.5, merged(tail), 0.0)


def _is_sentence(line: str) -> bool:
    stripped = line.strip()
    if _CODE.match(stripped) or not _WORDS.match(stripped) or "=" in stripped.replace("==", ""):
        return False
    return _fails(stripped)


def _fails(line: str) -> bool:
    try:
        compile(line, "<line>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return True
    return False


def _gutter(text: str) -> Iterator[Candidate]:
    """Line numbers before every line, one more on each."""
    lines = [(at, line) for at, line in _starts(text) if line.strip()]
    matches = [_GUTTER.match(line) for _, line in lines]
    if len(lines) < 2 or not all(matches):
        return
    numbers = [int(m.group(1)) for m in matches if m is not None]
    if any(b - a < 1 for a, b in itertools.pairwise(numbers)) or numbers[-1] - numbers[0] > 2 * len(text):
        return
    for sign in (
        r"[ \t]*\d+[ \t]*[|:│→] ?",
        r"[ \t]*\d+\t",
        r"[ \t]*\d+[.)]? ",
        r"[ \t]*\d+[ \t]*[|:│→]",
        r"[ \t]*\d+  ",
    ):
        pattern = re.compile(sign)
        blank = re.compile(r"[ \t]*\d+[ \t]*[|:│→.]?[ \t]*$")
        edits = []
        for at, line in lines:
            match = blank.match(line) or pattern.match(line)
            if match is None:
                break
            edits.append((at, at + match.end(), ""))
        else:
            yield Candidate("pasted_gutter", 0.0, tuple(edits), 0.0)


def _starts(text: str) -> list[tuple[int, str]]:
    found, at = [], 0
    for line in text.splitlines(keepends=True):
        found.append((at, line.rstrip("\r\n")))
        at += len(line)
    return found


def _session(text: str) -> Iterator[Candidate]:
    """A session of the interactive interpreter or a notebook: the prompts go, what was printed becomes comments."""
    lines = [(at, at + len(line), line) for at, line in _starts(text)]
    first = next((line for line in lines if line[2].strip()), None)
    if first is None or not _PROMPT.match(first[2]):
        return
    edits: list[Edit] = []
    entered = False
    for start, end, line in lines:
        match = _PROMPT.match(line) or (_MORE.match(line) if entered else None)
        if match is not None:
            entered = True
            edits.append((start, start + match.end(), ""))
        elif line.strip():
            entered = False
            edits.append(_comment(start, line))
        else:
            edits += [(start, end, "")] if end > start else []
    yield Candidate("pasted_session", 0.0, merged(edits), 0.0)


def _shell(text: str) -> Iterator[Candidate]:
    """Commands around the code: `$ python3 x.py`."""
    edits = [_comment(start, line) for start, _, line in _lines(text) if _SHELL.match(line) and _fails(line)]
    if edits and len(edits) < 20:
        yield Candidate("pasted_shell", 0.5, tuple(edits), 0.0)


def _elided(text: str) -> Iterator[Candidate]:
    """`... existing code ...`: kept, as a comment."""
    edits = [_comment(start, line) for start, _, line in _lines(text) if _ELISION.match(line) and _fails(line.strip())]
    if edits:
        yield Candidate("elision", 0.2, tuple(edits), 0.0)


def _escaped(text: str) -> Iterator[Candidate]:
    """The newlines of the file were written as backslash and n."""
    body = text.strip()
    if body.count("\\n") < 2 or body.count("\n") > 1:
        yield from _escaped_lines(text)
        return
    ways = [re.sub(r"(?<!\\)\\n", "\n", body)]
    ways.append(ways[0].replace("\\t", "\t").replace('\\"', '"').replace("\\'", "'").replace("\\\\", "\\"))
    if body[:1] in "\"'" and body[-1:] == body[:1]:
        ways += [way[1:-1] for way in ways[:2]]
    for cost, new in enumerate(ways):
        if not _fails(new):
            yield Candidate("escaped_newlines", 0.2 + cost, ((0, len(text), new.rstrip("\n") + "\n"),), 0.0)
            return


def _escaped_lines(text: str) -> Iterator[Candidate]:
    r"""`x = 1\ny = 2`: a newline between statements that was written as backslash and n."""
    if "\\n" not in text:
        return
    strings = [(t.start, t.end) for t in all_tokens(text) if t.kind in (STRING, COMMENT)]
    edits = tuple(
        (m.start(), m.end(), "\n")
        for m in re.finditer(r"(?<!\\)\\n", text)
        if not any(low <= m.start() < high for low, high in strings)
    )
    if edits:
        yield Candidate("escaped_newlines", 0.5, edits, 0.0)


def _entities(text: str) -> Iterator[Candidate]:
    """HTML's `&lt;`: all of them, if no sign of those stands as it is; else those outside strings."""
    found = list(_ENTITY.finditer(text))
    if not found:
        return
    strings = [(t.start, t.end) for t in all_tokens(text) if t.kind == STRING]
    outside = [m for m in found if not any(low <= m.start() < high for low, high in strings)]
    if not outside:
        return
    bare = re.search(r"[<>]|&(?!\w+;|#)", text) is not None
    for matches in (outside, found) if bare else (found, outside):
        edits = tuple((m.start(), m.end(), html.unescape(m.group()).replace("\xa0", " ")) for m in matches)
        yield Candidate("html_entities", 0.2, edits, 0.0)


def _replaced(text: str) -> Iterator[Candidate]:
    """SEARCH/REPLACE blocks: the REPLACE, in the place of the SEARCH where the file still has that elsewhere."""
    if text.count("<<<<<") > MAX_BLOCKS:
        return
    blocks = list(_SEARCH.finditer(text))
    if not blocks:
        return
    edits: list[Edit] = []
    for block in blocks:
        old, new = block.group(1), block.group(2)
        at = text.find(old) if old.strip() else -1
        while at >= 0 and any(b.start() <= at < b.end() for b in blocks):
            at = text.find(old, at + 1)
        if at >= 0:
            edits += [(at, at + len(old), new), (block.start(), block.end(), "")]
        else:
            edits.append((block.start(), block.end(), new))
    yield Candidate("edit_block", 0.2, merged(edits), 0.0)


def _patched(text: str) -> Iterator[Candidate]:
    """Lines of a patch in the file: what it takes out goes, what it puts in stays."""
    lines = _lines(text)
    marked = [line for line in lines if _MARKS.match(line[2])]
    added = [line for line in marked if line[2][0] == "+"]
    if not added or (len(marked) < 2 and _fails(added[0][2][1:].strip())):
        return
    taken = [_removed(text, start, end) for start, end, line in marked if line[0] == "-"]
    every = all(not line or line[0] in " +-" or line.startswith(("@@", "---", "+++")) for _, _, line in lines)
    if every and len(marked) >= 2:
        context = [
            (start, start + 1, "") for start, _, line in lines if line[:1] in (" ", "+") and line not in ("+++",)
        ]
        heads = [_removed(text, s, e) for s, e, line in lines if line.startswith(("@@", "--- ", "+++ "))]
        yield Candidate("patch_lines", 0.2, merged([*heads, *taken, *context]), 0.0)
    yield Candidate("patch_lines", 0.4, merged([*taken, *((s, s + 1, "") for s, _, _ in added)]), 0.0)
    yield Candidate("patch_lines", 0.6, merged([*taken, *((s, s + 1, " ") for s, _, _ in added)]), 0.0)


def _block_comment(text: str) -> Iterator[Candidate]:
    """`/* … */`: each of its lines becomes a comment."""
    if not 0 < text.count("/*") <= MAX_BLOCKS:
        return
    edits: list[Edit] = []
    covered = [(t.start, t.end) for t in all_tokens(text) if t.kind == STRING]
    for match in _BLOCK.finditer(text):
        if any(low <= match.start() < high for low, high in covered):
            continue
        at = match.start()
        for line in match.group().splitlines(keepends=True):
            if line.strip():
                edits.append(_comment(at, line.rstrip("\r\n")))
            at += len(line)
    if edits:
        yield Candidate("slash_comment", 0.2, merged(edits), 0.0)


_WAYS: Final[tuple[Callable[[str], Iterator[Candidate]], ...]] = (
    _replaced, _fenced, _thought, _gutter, _session, _escaped, _patched, _entities, _block_comment, _elided, _shell,
    _prose,
)  # fmt: skip
RULES: Final = frozenset(
    ("pasted_fence", "pasted_tag", "pasted_prose", "pasted_gutter", "pasted_session", "pasted_shell", "elision",
     "escaped_newlines", "html_entities", "edit_block", "patch_lines")
)  # fmt: skip


def taken_out(text: str, compiles: Callable[[str], bool], rounds: int = 4) -> list[tuple[str, tuple[Candidate, ...]]]:
    """Texts that remain when what was copied with the code is taken out, with how; the first that compiles alone.

    Where none does, the deepest of each way is returned, so that a search may go on from it.
    """
    open_: list[tuple[str, tuple[Candidate, ...]]] = [(text, ())]
    best: list[tuple[str, tuple[Candidate, ...]]] = []
    seen = {text}
    for _ in range(rounds):
        grown: list[tuple[str, tuple[Candidate, ...]]] = []
        for state, steps in open_:
            for candidate in candidates(state):
                new = applied(state, candidate.edits)
                if new in seen:
                    continue
                seen.add(new)
                if compiles(new):
                    return [(new, (*steps, candidate))]
                grown.append((new, (*steps, candidate)))
        if not grown:
            break
        best = grown
        open_ = grown[:4]
    return best[:3]


__all__ = ["RULES", "candidates", "is_name", "taken_out"]
