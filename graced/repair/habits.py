"""Whole constructs of other languages and of beginners, put as Python puts them, wherever the file has them.

Each way looks at the statement of the fault; what one means is clear from its shape, so that the costs are low.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final

from graced.repair.edits import Candidate, Edit, merged
from graced.repair.indent import newline_of
from graced.repair.lex import (
    CLOSES,
    COMMENT,
    HEADERS,
    KEYWORDS,
    NAME,
    NEWLINE,
    NUMBER,
    OP,
    OPENS,
    STRING,
    Source,
    Token,
)
from graced.repair.site import Site

TYPES: Final = frozenset(
    (
        "int",
        "float",
        "double",
        "str",
        "string",
        "String",
        "bool",
        "boolean",
        "char",
        "auto",
        "var",
        "let",
        "const",
        "long",
        "final",
        "dim",
        "my",
        "local",
    )
)
"""Words that a declaration of another language begins with."""
ANNOTATIONS: Final = frozenset(
    (
        "int",
        "float",
        "str",
        "bool",
        "bytes",
        "list",
        "dict",
        "set",
        "tuple",
        "object",
        "complex",
        "List",
        "Dict",
        "Set",
        "Tuple",
        "Optional",
        "Union",
        "Any",
        "Callable",
        "Iterable",
        "Iterator",
        "Sequence",
        "Mapping",
        "Path",
        "type",
    )
)
COMPARES: Final = frozenset(("<", ">", "<=", ">=", "==", "!="))
MAX_USES: Final = 200
_TERNARY: Final = re.compile(r"^(?P<cond>[^?\n]+?)\s*\?\s*(?P<yes>[^:?\n]+?)\s*:\s*(?P<no>[^:?\n]+?)(?P<end>[;,)\s]*)$")
_IF_THEN: Final = re.compile(r"^if\s+(?P<cond>.+?)\s+then\s+(?P<yes>.+?)\s+else\s+(?P<no>.+?)(?P<end>\s*)$")


def candidates(site: Site) -> Iterator[Candidate]:
    if site.tokens:
        for way in _WAYS:
            yield from way(site)


def _switch(site: Site) -> Iterator[Candidate]:
    """`switch x:` with `case` and `default`, in all of the file; `case > 0:`."""
    tokens, src = site.tokens, site.src
    edits: list[Edit] = []
    if tokens[0].text == "switch" or (tokens[0].text == "default" and any(t.text == "match" for t in src.tokens)):
        for index, line in enumerate(src.lines):
            code = src.code(index) if line.logical else []
            if code and code[0].text == "switch" and len(code) > 1 and code[1].text not in ("=", ".", ","):
                edits.append((code[0].start, code[0].end, "match"))
                if code[-1].text == "{":
                    edits.append((code[-1].start, code[-1].end, ":"))
            elif code and code[0].text == "default" and len(code) == 2 and code[1].text == ":":
                edits.append((code[0].start, code[0].end, "case _"))
        if edits:
            yield Candidate("switch", 0.0, tuple(edits), 0.0)
    if tokens[0].text == "case":
        subject = _subject(src, site.low)
        for index in range(site.low, min(len(src.lines), site.low + 60)):
            code = src.code(index) if src.lines[index].logical else []
            if code and code[0].text == "case" and len(code) > 2 and code[1].text in COMPARES and subject:
                edits.append((code[1].start, code[1].start, f"_ if {subject} "))
        if edits:
            yield Candidate("case_compare", 0.0, tuple(edits), 0.0)


def _subject(src: Source, index: int) -> str:
    """What the `match` above line `index` matches, if it is a plain name."""
    width = src.lines[index].width
    at = src.previous_logical(index)
    while at is not None:
        if src.lines[at].width < width and src.first_word(at) == "match":
            code = src.code(at)
            return code[1].text if len(code) == 3 and code[1].kind == NAME else ""
        at = src.previous_logical(at)
    return ""


def _ternary(site: Site) -> Iterator[Candidate]:
    """`c ? a : b`, and `return if c then a else b`."""
    first, last = site.tokens[0], site.tokens[-1]
    begin = first.start
    if first.text == "return" or (len(site.tokens) > 2 and site.tokens[1].text == "="):
        begin = site.tokens[1 if first.text == "return" else 2].start if len(site.tokens) > 2 else begin
    text = site.text[begin : last.end]
    match = _IF_THEN.match(text)
    if match is None and "?" in text:
        match = _TERNARY.match(text)
        opened = [t for t in site.tokens if t.start >= begin and t.text == "(" and t.kind == OP]
        if match is None or (match["end"].strip().startswith(")") and opened):
            inner = opened[0].end if opened else begin
            match, begin = _TERNARY.match(site.text[inner : last.end]), inner
    if match is not None and all(_even(match[part]) for part in ("cond", "yes", "no")):
        condition = match["cond"].replace("&&", " and ").replace("||", " or ")
        new = f"{match['yes']} if {condition} else {match['no']}{match['end'].rstrip(';')}"
        yield Candidate("ternary", -2.0, ((begin, last.end, new),), 0.0)


def _even(text: str) -> bool:
    return all(text.count(a) == text.count(b) for a, b in OPENS.items()) and bool(text.strip())


def _declared(site: Site) -> Iterator[Candidate]:
    """`int i = 0`, `var x = f()`."""
    tokens = site.tokens
    if len(tokens) > 3 and tokens[0].text in TYPES and tokens[1].kind == NAME and tokens[2].text == "=":
        if tokens[1].text not in KEYWORDS and not site.scorer.names[tokens[0].text + "="]:
            yield Candidate("declared_type", -6.0, ((tokens[0].start, tokens[1].start, ""),), 0.0)


def _annotated(site: Site) -> Iterator[Candidate]:
    """`age int` in a class, `def f(host str, port int = 1)`: the colons are missing."""
    tokens = site.tokens
    if tokens[0].text in ("def", "async"):
        edits, depth = [], 0
        for index, token in enumerate(tokens[:-1]):
            after = tokens[index + 1]
            depth += (token.text in OPENS) - (token.text in CLOSES)
            if (
                depth == 1
                and token.kind == NAME
                and after.kind == NAME
                and after.text in ANNOTATIONS
                and tokens[index - 1].text in ("(", ",", "*")
            ):
                edits.append((token.end, token.end, ":"))
        if edits:
            yield Candidate("missing_annotation", -8.0, tuple(edits))
    elif (
        len(tokens) >= 2 and tokens[0].kind == NAME and tokens[0].text not in KEYWORDS and tokens[1].text in ANNOTATIONS
    ):
        above = site.src.previous_logical(site.low)
        code = site.src.code(above) if above is not None else []
        alike = (len(code) > 2 and code[1].text == ":") or (bool(code) and code[0].text == "class")
        if alike and (len(tokens) == 2 or tokens[2].text in ("=", "[", "|")):
            yield Candidate("missing_annotation", -8.0, ((tokens[0].end, tokens[0].end, ":"),))


def _called_hints(site: Site) -> Iterator[Candidate]:
    """`f(type: int)`: in a call it is `=`."""
    tokens = site.tokens
    if tokens[0].text in ("def", "async", "lambda", "class"):
        return
    edits, stack = [], []
    for index, token in enumerate(tokens):
        if token.text in OPENS and token.kind == OP:
            called = token.text == "(" and index and (tokens[index - 1].kind == NAME or tokens[index - 1].text in ")]")
            stack.append(bool(called) and tokens[index - 1].text not in KEYWORDS)
        elif token.text in CLOSES and stack and token.kind == OP:
            stack.pop()
        elif (
            token.text == ":"
            and stack
            and stack[-1]
            and tokens[index - 1].kind == NAME
            and tokens[index - 2].text in ("(", ",")
        ):
            edits.append((token.start, token.end, "="))
    if edits:
        yield Candidate("argument_colon", -4.0, tuple(edits))


def _half_compare(site: Site) -> Iterator[Candidate]:
    """`if x > 5 and < 10`: the left side is said once for both."""
    tokens = site.tokens
    for index in range(2, len(tokens) - 1):
        if tokens[index].text in ("and", "or") and tokens[index + 1].text in COMPARES:
            for left in range(index - 1, 0, -1):
                if tokens[left].text in COMPARES:
                    break
            else:
                continue
            start = left - 1
            while start > 0 and (tokens[start - 1].text == "." or tokens[start].text == "."):
                start -= 1
            if tokens[start].kind == NAME and tokens[start].text not in KEYWORDS:
                subject = site.text[tokens[start].start : tokens[left].start].strip()
                at = tokens[index + 1].start
                yield Candidate("half_compare", -6.0, ((at, at, subject + " "),), 0.0)


def _not_equal(site: Site) -> Iterator[Candidate]:
    """`if len(x) not 4`, `if x not None`, `if x not y`."""
    for left, word, right in zip(site.tokens, site.tokens[1:], site.tokens[2:], strict=False):
        if word.text != "not" or left.text in KEYWORDS or (left.kind == OP and left.text not in ")]}"):
            continue
        if right.kind in (STRING, NUMBER):
            yield Candidate("not_equal", -5.0, ((word.start, word.end, "!="),), 0.0)
        elif right.text in ("None", "True", "False"):
            yield Candidate("not_equal", -5.0, ((word.start, word.end, "is not"),), 0.0)


def _global(site: Site) -> Iterator[Candidate]:
    """`global count += 1`, `global x = 0`: two statements."""
    tokens = site.tokens
    if tokens[0].text not in ("global", "nonlocal") or len(tokens) < 4 or tokens[1].kind != NAME:
        return
    if tokens[2].text in ("=", "+=", "-=", "*=", "/="):
        line = site.src.lines[site.low]
        new = f"{newline_of(site.text)}{line.indent}{tokens[1].text}"
        yield Candidate("declared_value", -2.0, ((tokens[1].end, tokens[1].end, new),), 0.0)


def _comprehended(site: Site) -> Iterator[Candidate]:
    """`[v if v > 0 for v in values]`: the condition goes to the end."""
    tokens = site.tokens
    for index, token in enumerate(tokens):
        if token.text != "if" or index < 2:
            continue
        depth, for_at, stop, otherwise = 0, 0, 0, False
        for at in range(index + 1, len(tokens)):
            word = tokens[at]
            if word.text in OPENS and word.kind == OP:
                depth += 1
            elif word.text in CLOSES and word.kind == OP:
                if not depth:
                    stop = at
                    break
                depth -= 1
            elif not depth and word.text == "for" and not for_at:
                for_at = at
            elif not depth and word.text == "else":
                otherwise = True
        if for_at and stop and not otherwise:
            condition = site.text[token.start : tokens[for_at - 1].end]
            edits = (
                (tokens[index - 1].end, tokens[for_at - 1].end, ""),
                (tokens[stop].start, tokens[stop].start, " " + condition),
            )
            yield Candidate("comprehension_if", -6.0, edits, 0.0)


def _walrus(site: Site) -> Iterator[Candidate]:
    """`if (m = f()) is not None`: a name that is new is bound, one that is known is compared; `x := 1` as statement."""
    tokens = site.tokens
    if len(tokens) > 2 and tokens[1].text == ":=" and tokens[0].kind == NAME:
        yield Candidate("walrus", -1.0, ((tokens[1].start, tokens[1].end, "="),), 0.0)
    if tokens[0].text not in ("if", "elif", "while", "return", "assert") and not site.said(":="):
        return
    for index in range(1, len(tokens) - 2):
        if (
            tokens[index].text != "="
            or tokens[index - 1].kind != NAME
            or tokens[index - 2].text not in ("(", "if", "while", "and", "or", "not")
        ):
            continue
        name = tokens[index - 1].text
        called = (
            tokens[index - 2].text == "("
            and index > 2
            and tokens[index - 3].kind == NAME
            and tokens[index - 3].text not in KEYWORDS
        )
        before = any(t.text == name and t.kind == NAME for t in site.src.tokens[: site.src.lines[site.low].first])
        value = any(t.text == "(" for t in tokens[index + 1 :]) and tokens[index + 1].kind == NAME
        if not called and not before and value:
            new = ":=" if site.text[tokens[index].start - 1] == " " else " := "
            bare = tokens[index - 2].text != "("
            cost = 0.0 if not bare else 1.0
            yield Candidate("walrus", cost - 6.0, ((tokens[index].start, tokens[index].end, new),), 0.0)


def _named(site: Site) -> Iterator[Candidate]:
    """`first name = input()`: two words that stand together more than once are one name, everywhere."""
    tokens = site.tokens
    edits: list[Edit] = []
    pairs = {
        (a.text, b.text)
        for a, b in zip(tokens, tokens[1:], strict=False)
        if a.kind == NAME and b.kind == NAME and a.text not in KEYWORDS and b.text not in KEYWORDS
    }
    code = [t for t in site.src.tokens if t.kind not in (COMMENT, NEWLINE)]
    for pair in pairs:
        uses = [
            (a, b)
            for a, b in zip(code, code[1:], strict=False)
            if (a.text, b.text) == pair and site.text[a.end : b.start] == " "
        ]
        if 1 < len(uses) < MAX_USES and pair[0] not in TYPES | ANNOTATIONS:
            edits = [(a.end, b.start, "_") for a, b in uses]
            yield Candidate("blank_in_name", -3.0, tuple(edits), 0.0)


def _stray_colon(site: Site) -> Iterator[Candidate]:
    """`x = f():` and `return x:` with nothing below that is deeper: the colon goes."""
    tokens, src = site.tokens, site.src
    if len(tokens) < 3 or tokens[-1].text != ":" or tokens[0].text in HEADERS:
        return
    below = src.next_logical(site.high)
    if below is None or src.lines[below].width <= src.lines[site.low].width:
        yield Candidate("stray_colon", -3.0, ((tokens[-1].start, tokens[-1].end, ""),))


def _digits_first(site: Site) -> Iterator[Candidate]:
    """`2nd_place = x`: a name that begins with a digit gets a `_` before it, everywhere."""
    code = [t for t in site.src.tokens if t.kind not in (COMMENT, NEWLINE)]
    for number, name in zip(site.tokens, site.tokens[1:], strict=False):
        if (
            number.kind != NUMBER
            or name.kind != NAME
            or number.end != name.start
            or len(name.text) < 2
            or name.text in KEYWORDS
        ):
            continue
        edits = [
            (a.start, a.start, "_")
            for a, b in zip(code, code[1:], strict=False)
            if (a.text, b.text) == (number.text, name.text) and a.end == b.start
        ]
        if 1 < len(edits) < MAX_USES:
            yield Candidate("digit_name", -2.0, tuple(edits), 0.0)


def _dashed(site: Site) -> Iterator[Candidate]:
    """`my-var = 3`: where neither half is a name of its own, the dash becomes a `_`, everywhere."""
    tokens = site.tokens
    if len(tokens) < 4 or not (tokens[1].text == "-" and tokens[3].text in ("=", "+=", ",", ".")):
        return
    first, last = tokens[0], tokens[2]
    if first.kind != NAME or last.kind != NAME or first.end != tokens[1].start or tokens[1].end != last.start:
        return
    code = [t for t in site.src.tokens if t.kind not in (COMMENT, NEWLINE)]
    edits = [
        (dash.start, dash.end, "_")
        for a, dash, b in zip(code, code[1:], code[2:], strict=False)
        if (a.text, dash.text, b.text) == (first.text, "-", last.text) and a.end == dash.start and dash.end == b.start
    ]
    uses = sum(t.text in (first.text, last.text) and t.kind == NAME for t in code)
    if uses == 2 * len(edits) and len(edits) < MAX_USES:
        yield Candidate("dash_in_name", -6.0, tuple(edits), 0.0)


def _braced(site: Site) -> Iterator[Candidate]:
    """Blocks in braces, all of them: `if (x) {`, `} else {`, `}`."""
    src = site.src
    edits: list[Edit] = []
    opened = closed = 0
    for index, line in enumerate(src.lines):
        code = src.code(index)
        if not code or line.inside:
            continue
        words = [token.text for token in code]
        if words[0] == "}" and (len(words) == 1 or words[1] in ("else", "elif", "except", "catch", "finally", ";")):
            closed += 1
            if len(words) == 1 or words[1] == ";":
                edits.append((line.start, line.next, ""))
            else:
                edits.append((code[0].start, code[1].start, ""))
        if words[-1] == "{" and words[0] in (
            "}",
            "if",
            "else",
            "for",
            "while",
            "def",
            "class",
            "try",
            "elif",
            "except",
            "with",
        ):
            opened += 1
            before = code[-2] if len(code) > 1 else code[-1]
            edits.append((before.end, code[-1].end, ":"))
    if opened and opened == closed:
        yield Candidate("brace_block", -12.0, merged(edits), 0.0)


def _parameters(site: Site) -> Iterator[Candidate]:
    """`def f:`; `class A()` and the like are for the colon's rule."""
    tokens = site.tokens
    names = [i for i, t in enumerate(tokens) if t.text == "def"]
    if names and len(tokens) > names[0] + 2 and tokens[names[0] + 2].text in (":", "->"):
        at = tokens[names[0] + 1].end
        yield Candidate("missing_parameters", -2.0, ((at, at, "()"),), 0.0)


def _yielded(site: Site) -> Iterator[Candidate]:
    """`f(yield x)`, `return yield x`, `a + yield x`: a yield that is part of an expression needs parentheses."""
    tokens = site.tokens
    for index in range(1, len(tokens)):
        if tokens[index].text != "yield" or tokens[index - 1].text in ("=", ";", ":"):
            continue
        depth, stop = 0, len(tokens) - 1
        for at in range(index + 1, len(tokens)):
            if tokens[at].text in OPENS and tokens[at].kind == OP:
                depth += 1
            elif tokens[at].text in CLOSES and tokens[at].kind == OP:
                if not depth:
                    stop = at - 1
                    break
                depth -= 1
            elif tokens[at].text in (",", ":", ";") and not depth and tokens[at].kind == OP:
                stop = at - 1
                break
        start, end = tokens[index].start, tokens[stop].end
        yield Candidate("bare_yield", -8.0, ((start, start, "("), (end, end, ")")), 0.0)


def _imported(site: Site) -> Iterator[Candidate]:
    """`from a import b c`: commas between all; `import a from b`."""
    tokens = site.tokens
    words = [t.text for t in tokens]
    if words[0] == "from" and "import" in words:
        at = words.index("import") + 1
        edits = [
            (a.end, a.end, ",")
            for a, b in zip(tokens[at:], tokens[at + 1 :], strict=False)
            if a.kind == NAME and b.kind == NAME and "as" not in (a.text, b.text)
        ]
        if edits:
            yield Candidate("missing_comma", -1.0, tuple(edits), 0.0)
        if words[-1] == ",":
            yield Candidate("stray_mark", -1.0, ((tokens[-1].start, tokens[-1].end, ""),), 0.0)
    if words[0] == "import" and "from" in words[2:] and "\n" not in site.text[tokens[0].start : tokens[-1].end]:
        at = words.index("from")
        names = site.text[tokens[1].start : tokens[at - 1].end].strip("{} ")
        module = site.text[tokens[at + 1].start : tokens[-1].end].strip("'\"; ") if at + 1 < len(tokens) else ""
        if re.fullmatch(r"[\w.]+", module):
            yield Candidate(
                "two_imports", -1.0, ((tokens[0].start, tokens[-1].end, f"from {module} import {names}"),), 0.0
            )


def _async_order(site: Site) -> Iterator[Candidate]:
    for a, b in zip(site.tokens, site.tokens[1:], strict=False):
        if a.text == "def" and b.text == "async":
            yield Candidate("word_order", -1.0, ((a.start, b.end, "async def"),), 0.0)


def _concatenated(site: Site) -> Iterator[Candidate]:
    """`"a" + str(n) "b"`: where `+` joins strings already, one is missing."""
    tokens = site.tokens
    for index in range(1, len(tokens)):
        left, right = tokens[index - 1], tokens[index]
        if (
            STRING not in (left.kind, right.kind)
            or left.end == right.start
            or "\n" in site.text[left.end : right.start]
        ):
            continue
        if not _is_operand_end(left) or not (right.kind in (STRING, NAME) and right.text not in KEYWORDS):
            continue
        if left.kind == STRING and right.kind == STRING:
            continue
        if _joins(tokens, index):
            yield Candidate("missing_plus", -6.0, ((left.end, left.end, " +"),))


def _is_operand_end(token: Token) -> bool:
    return (
        token.kind in (STRING, NUMBER)
        or token.text in (")", "]")
        or (token.kind == NAME and token.text not in KEYWORDS)
    )


def _joins(tokens: list[Token], index: int) -> bool:
    """Is there a `+` in the same argument, beside a string?"""
    for step in (-1, 1):
        depth, at = 0, index if step > 0 else index - 1
        while 0 <= at < len(tokens):
            text = tokens[at].text
            if tokens[at].kind == OP:
                depth += (text in (OPENS if step > 0 else CLOSES)) - (text in (CLOSES if step > 0 else OPENS))
                if depth < 0 or (text in (",", "=", ":") and not depth):
                    break
                if text == "+" and not depth:
                    return True
            at += step
    return False


_WAYS: Final[tuple[Callable[[Site], Iterator[Candidate]], ...]] = (
    _switch,
    _ternary,
    _declared,
    _annotated,
    _called_hints,
    _half_compare,
    _not_equal,
    _global,
    _comprehended,
    _walrus,
    _named,
    _stray_colon,
    _digits_first,
    _dashed,
    _braced,
    _parameters,
    _yielded,
    _imported,
    _async_order,
    _concatenated,
)
