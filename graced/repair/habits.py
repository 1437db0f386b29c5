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
    KEYWORDS,
    NAME,
    OP,
    OPENS,
    Source,
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


def _declared(site: Site) -> Iterator[Candidate]:
    """`int i = 0`, `var x = f()`."""
    tokens = site.tokens
    if len(tokens) < 4 or tokens[0].text not in TYPES or tokens[1].kind != NAME or tokens[1].text in KEYWORDS:
        return
    if tokens[2].text == "=":
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


def _global(site: Site) -> Iterator[Candidate]:
    """`global count += 1`, `global x = 0`: two statements."""
    tokens = site.tokens
    if tokens[0].text not in ("global", "nonlocal") or len(tokens) < 4 or tokens[1].kind != NAME:
        return
    if tokens[2].text in ("=", "+=", "-=", "*=", "/="):
        line = site.src.lines[site.low]
        new = f"{newline_of(site.text)}{line.indent}{tokens[1].text}"
        yield Candidate("declared_value", -2.0, ((tokens[1].end, tokens[1].end, new),), 0.0)


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


_WAYS: Final[tuple[Callable[[Site], Iterator[Candidate]], ...]] = (
    _switch,
    _declared,
    _annotated,
    _called_hints,
    _global,
    _braced,
    _parameters,
    _imported,
    _async_order,
)
