"""More seeded mutations: what copying, other tools, and slips of the hand leave. Importing adds them to `KINDS`."""

import random
import re
import tokenize

from mutations import File, kind


def _fields(file: File) -> list[tuple[int, int]]:
    """Offsets of the braces that close fields of f-strings: (closing brace, end of the token)."""
    found = []
    for type_, string, start, end in file.tokens:
        if type_ == tokenize.STRING and re.match(r"[fF][\"'](?![\"'])", string) and "{{" not in string:
            found += [(start + m.start(), end) for m in re.finditer(r"\}", string)]
    return found


@kind
def fstring_unclosed(file: File, rng: random.Random) -> str | None:
    found = _fields(file)
    if not found:
        return None
    at = rng.choice(found)[0]
    return file.cut(at, at + 1)


@kind
def fstring_extra_close(file: File, rng: random.Random) -> str | None:
    found = _fields(file)
    if not found:
        return None
    at = rng.choice(found)[0]
    return file.cut(at, at, "}")


@kind
def fstring_paren(file: File, rng: random.Random) -> str | None:
    found = [at for at, _ in _fields(file) if file.text[at - 1] == ")"]
    if not found:
        return None
    at = rng.choice(found)
    return file.cut(at, at, ")") if rng.random() < 0.5 else file.cut(at - 1, at)


@kind
def fence_whole(file: File, rng: random.Random) -> str | None:
    head = rng.choice(["", "", "Here is the updated file:\n\n", "Sure! Here's the code you asked for:\n\n"])
    return f"{head}```{rng.choice(['python', 'py', ''])}\n{file.text.rstrip()}\n```\n"


@kind
def fence_head(file: File, rng: random.Random) -> str | None:
    return f"```python\n{file.text}" if rng.random() < 0.5 else f"{file.text.rstrip()}\n```\n"


@kind
def prose_head(file: File, rng: random.Random) -> str | None:
    words = [
        "Here's the script you asked for:",
        "I've fixed the bug in the parser.",
        "The updated module is below.",
        "Below is the full implementation:",
    ]
    return f"{rng.choice(words)}\n\n{file.text}"


@kind
def gutter(file: File, rng: random.Random) -> str | None:
    form = rng.choice(["{:6d}\t", "{}: ", "{}| ", "{:4d} | ", "{:>5}→"])
    return "".join(form.format(i) + line for i, line in enumerate(file.lines, 1))


@kind
def html_entities(file: File, rng: random.Random) -> str | None:
    if not re.search(r"[<>]", file.text) or "&" in file.text:
        return None
    return file.text.replace("<", "&lt;").replace(">", "&gt;")


@kind
def patch_lines(file: File, rng: random.Random) -> str | None:
    found = [
        i for i in file.statements if file.lines[i].startswith("    ") and re.match(r"\s+\w+ = .*\S\n", file.lines[i])
    ]
    if not found:
        return None
    at = rng.choice(found)
    line = file.lines[at]
    old = line.replace(" = ", " = old_", 1)
    return file.with_lines(at, at + 1, ["-" + old[rng.choice([0, 1]) :], "+" + line])


@kind
def search_replace(file: File, rng: random.Random) -> str | None:
    found = [i for i in file.statements if re.match(r"\s+\w+ = .*\S\n", file.lines[i])]
    if not found:
        return None
    at = rng.choice(found)
    line = file.lines[at]
    return file.with_lines(
        at, at + 1, ["<<<<<<< SEARCH\n", line.replace(" = ", " = old_", 1), "=======\n", line, ">>>>>>> REPLACE\n"]
    )


@kind
def marker_rest(file: File, rng: random.Random) -> str | None:
    at = rng.choice(file.statements) if file.statements else None
    if at is None:
        return None
    return file.with_lines(
        at, at, [rng.choice(["<<<<<<< HEAD\n", ">>>>>>> main\n", ">>>>>>> 3f2c1ab (Fix it)\n", "=======\n"])]
    )


@kind
def doubled_quote(file: File, rng: random.Random) -> str | None:
    found = [t for t in file.tokens if t[0] == tokenize.STRING and re.match(r"([\"'])[A-Za-z%][^\"'\\]+\1$", t[1])]
    if not found:
        return None
    _, string, start, _ = rng.choice(found)
    return file.cut(start, start, string[0])


@kind
def litter_end(file: File, rng: random.Random) -> str | None:
    found = [t for t in file.tokens if t[0] == tokenize.NEWLINE and t[2] and file.text[t[2] - 1] == ")"]
    if not found:
        return None
    at = rng.choice(found)[2]
    return file.cut(at, at, rng.choice("YysxvwqQ") * rng.choice([1, 1, 1, 2]))


@kind
def litter_head(file: File, rng: random.Random) -> str | None:
    found = [
        i
        for i in file.statements
        if re.match(r"\s*(def|class|import|from|return|else|except|elif|raise)\b", file.lines[i])
    ]
    if not found:
        return None
    at = rng.choice(found)
    line = file.lines[at]
    indent = len(line) - len(line.lstrip())
    typed = rng.choice(["j", "jj", "h", "x", "gg", "u"])
    return file.with_lines(
        at,
        at + 1,
        [line[:indent] + typed + line[indent:] if rng.random() < 0.6 or not indent else typed + line[len(typed) :]],
    )


@kind
def deindented(file: File, rng: random.Random) -> str | None:
    found = [
        i for i in file.statements
        if file.lines[i].startswith("        ") and re.match(r"\s+[\w.]+( = |\()", file.lines[i])
        and i + 1 < len(file.lines) and file.lines[i + 1].startswith("        ")
    ]  # fmt: skip
    if not found:
        return None
    at = rng.choice(found)
    return file.with_lines(at, at + 1, [file.lines[at].lstrip()])


@kind
def missing_parameters(file: File, rng: random.Random) -> str | None:
    found = list(re.finditer(r"^\s*def \w+(\(\)):", file.text, re.MULTILINE))
    if not found:
        return None
    match = rng.choice(found)
    return file.cut(match.start(1), match.end(1))


@kind
def self_blank(file: File, rng: random.Random) -> str | None:
    found = list(re.finditer(r"\bself(\.)\w+", file.text))
    if not found:
        return None
    match = rng.choice(found)
    return file.cut(match.start(1), match.end(1), rng.choice([" ", "  ", ","]))


@kind
def nested_quotes(file: File, rng: random.Random) -> str | None:
    found = [
        t
        for t in file.tokens
        if t[0] == tokenize.STRING and re.match(r"f\"[^\"\\]*\{[^{}\"\\]*'[^'\"\\]+'[^{}\"\\]*\}[^\"\\]*\"$", t[1])
    ]
    if not found:
        return None
    _, string, start, end = rng.choice(found)
    return file.cut(
        start, end, string[:2] + re.sub(r"(\{[^{}]*\})", lambda m: m.group().replace("'", '"'), string[2:-1]) + '"'
    )


@kind
def unended_docstring(file: File, rng: random.Random) -> str | None:
    found = [
        t
        for t in file.tokens
        if t[0] == tokenize.STRING
        and t[1].startswith('"""')
        and file.text[max(0, t[2] - 60) : t[2]].rstrip().endswith(":")
    ]
    if not found:
        return None
    _, _, _, end = rng.choice(found)
    return file.cut(end - 3, end, rng.choice(["", "", '""']))


@kind
def import_inside(file: File, rng: random.Random) -> str | None:
    found = [i for i, line in enumerate(file.lines) if re.match(r"from [\w.]+ import \($", line.rstrip())]
    after = [i for i, line in enumerate(file.lines) if re.match(r"(?:from [\w.]+ )?import \w+$", line.rstrip())]
    pairs = [(i, j) for i in found for j in after if j > i and j - i < 30 and file.lines[j - 1].rstrip() == ")"]
    if not pairs:
        return None
    first, second = rng.choice(pairs)
    lines = list(file.lines)
    line = lines.pop(second)
    lines.insert(first + 1, line)
    return "".join(lines)


@kind
def leftover_tail(file: File, rng: random.Random) -> str | None:
    found = [
        i for i in file.statements if re.match(r"\s+[\w.]+\([\w., =]+\w+\)\n$", file.lines[i]) and "," in file.lines[i]
    ]
    if not found:
        return None
    at = rng.choice(found)
    line = file.lines[at]
    indent = line[: len(line) - len(line.lstrip())]
    return file.with_lines(at + 1, at + 1, [indent + line.rsplit(",", 1)[1].lstrip()])


@kind
def slash_elision(file: File, rng: random.Random) -> str | None:
    found = [i for i in file.statements if re.match(r"\s*def ", file.lines[i])]
    if not found:
        return None
    at = rng.choice(found)
    return file.with_lines(
        at,
        at,
        [
            rng.choice(
                ["// ... existing code ...\n", "... rest of the code unchanged ...\n", "    ... (existing code) ...\n"]
            )
        ],
    )


@kind
def escaped_file(file: File, rng: random.Random) -> str | None:
    if "\\" in file.text or len(file.text) > 3000:
        return None
    return file.text.replace("\n", "\\n") + "\n"


@kind
def repl_session(file: File, rng: random.Random) -> str | None:
    if len(file.lines) > 60:
        return None
    starts = set(file.statements)
    return "".join(
        ("... " if line[:1] in " \t\n)]}" or i not in starts else ">>> ") + line for i, line in enumerate(file.lines)
    )
