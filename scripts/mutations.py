"""Seeded mutations that break Python source as people do: each takes a file and a generator to a text or None."""

import io
import keyword
import random
import re
import tokenize
from collections.abc import Callable

Token = tuple[int, str, int, int]
HEADERS = ("class", "def", "if", "elif", "else", "for", "while", "try", "except", "finally", "with")
KINDS: dict[str, Callable[["File", random.Random], str | None]] = {}


class File:
    """A file that compiles: its text, lines (with newlines), and tokens as (type, string, start, end) in characters."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = text.splitlines(keepends=True)
        starts = [0]
        for line in self.lines:
            starts.append(starts[-1] + len(line))
        self.starts = starts
        self.tokens = [
            (t.type, t.string, starts[t.start[0] - 1] + t.start[1], starts[min(t.end[0], len(starts)) - 1] + t.end[1])
            for t in tokenize.generate_tokens(io.StringIO(text).readline)
            if t.start[0] <= len(self.lines)
        ]
        self.statements = self._statements()

    def _statements(self) -> list[int]:
        """Indices of the lines on which a statement begins."""
        found, fresh = [], True
        for kind, string, start, _ in self.tokens:
            if kind in (tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING):
                continue
            if kind == tokenize.NEWLINE:
                fresh = True
            elif fresh and string:
                found.append(next(i for i in range(len(self.lines)) if self.starts[i + 1] > start))
                fresh = False
        return found

    def ops(self, *strings: str) -> list[Token]:
        return [t for t in self.tokens if t[0] == tokenize.OP and t[1] in strings]

    def cut(self, start: int, end: int, new: str = "") -> str:
        return self.text[:start] + new + self.text[end:]

    def with_lines(self, low: int, high: int, new: list[str]) -> str:
        return "".join(self.lines[:low] + new + self.lines[high:])

    def block(self, line: int) -> int:
        """The line behind the last one indented deeper than the statement on `line`."""
        width = len(self.lines[line]) - len(self.lines[line].lstrip())
        last = line
        for index in self.statements:
            if index > line:
                if len(self.lines[index]) - len(self.lines[index].lstrip()) <= width:
                    break
                last = index
        end = last + 1
        later = [i for i in self.statements if i > last]
        stop = later[0] if later else len(self.lines)
        while end < stop and self.lines[end].strip() and not self.lines[end].lstrip().startswith("#"):
            end += 1
        return end


def kind(function: Callable[[File, random.Random], str | None]) -> Callable[[File, random.Random], str | None]:
    KINDS[function.__name__] = function
    return function


def _token_cut(strings: tuple[str, ...], new: str = "") -> Callable[[File, random.Random], str | None]:
    def mutate(file: File, rng: random.Random) -> str | None:
        found = file.ops(*strings)
        if not found:
            return None
        _, _, start, end = rng.choice(found)
        return file.cut(start, end, new)

    return mutate


KINDS["missing_close"] = _token_cut((")", "]", "}"))
KINDS["missing_open"] = _token_cut(("(", "[", "{"))
KINDS["missing_comma"] = _token_cut((",",))
KINDS["missing_operator"] = _token_cut(("=", "==", ".", "+", "-", "%", "*", "<", "->", "+=", "!="))
KINDS["fullwidth_comma"] = _token_cut((",",), "，")
KINDS["fullwidth_paren"] = _token_cut(("(",), "（")
KINDS["doubled_comma"] = _token_cut((",",), ",,")
KINDS["dot_for_comma"] = _token_cut((",",), ".")


@kind
def wrong_close(file: File, rng: random.Random) -> str | None:
    found = file.ops(")", "]", "}")
    if not found:
        return None
    _, string, start, end = rng.choice(found)
    return file.cut(start, end, rng.choice([c for c in ")]}" if c != string]))


@kind
def extra_close(file: File, rng: random.Random) -> str | None:
    found = file.ops(")", "]", "}")
    if not found:
        return None
    _, string, _, end = rng.choice(found)
    return file.cut(end, end, string)


@kind
def extra_open(file: File, rng: random.Random) -> str | None:
    found = file.ops("(", "[")
    if not found:
        return None
    _, string, _, end = rng.choice(found)
    return file.cut(end, end, string)


def _headers(file: File) -> list[tuple[int, int]]:
    """(line of the header, offset of the colon that ends it) where the body begins on the next line."""
    found, first = [], ""
    line = 0
    before = None
    for token in file.tokens:
        if token[0] == tokenize.NEWLINE:
            if first in HEADERS and before is not None and before[1] == ":":
                found.append((line, before[2]))
            first = ""
        elif token[0] in (tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT):
            continue
        elif not first:
            first = token[1]
            line = next(i for i in range(len(file.lines)) if file.starts[i + 1] > token[2])
        before = token
    return found


@kind
def missing_colon(file: File, rng: random.Random) -> str | None:
    found = _headers(file)
    if not found:
        return None
    at = rng.choice(found)[1]
    return file.cut(at, at + 1)


@kind
def semicolon_colon(file: File, rng: random.Random) -> str | None:
    found = _headers(file)
    if not found:
        return None
    at = rng.choice(found)[1]
    return file.cut(at, at + 1, ";")


@kind
def empty_body(file: File, rng: random.Random) -> str | None:
    found = [(line, at) for line, at in _headers(file)]
    if not found:
        return None
    line, at = rng.choice(found)
    end = file.block(line)
    body = next(i for i in range(line, len(file.lines)) if file.starts[i + 1] > at) + 1
    return file.with_lines(body, end, []) if end - body <= 4 else None


@kind
def missing_except(file: File, rng: random.Random) -> str | None:
    found = [i for i in file.statements if re.match(r"\s*(except|finally)\b", file.lines[i])]
    if not found:
        return None
    line = rng.choice(found)
    return file.with_lines(line, file.block(line), [])


@kind
def misspelt_keyword(file: File, rng: random.Random) -> str | None:
    found = [
        t
        for t in file.tokens
        if t[0] == tokenize.NAME and keyword.iskeyword(t[1]) and t[1] not in ("None", "True", "False")
    ]
    if not found:
        return None
    _, word, start, end = rng.choice(found)
    at = rng.randrange(len(word) - 1)
    new = rng.choice([
        word[:at] + word[at + 1] + word[at] + word[at + 2 :], word[:at] + word[at + 1 :],
        word[:at] + word[at] + word[at:],
        word.capitalize(),
    ])  # fmt: skip
    return file.cut(start, end, new) if new != word else None


def _strings(file: File) -> list[Token]:
    return [
        t
        for t in file.tokens
        if t[0] == tokenize.STRING and "\n" not in t[1] and t[1][-3:] not in ("'''", '"""') and len(t[1]) > 3
    ]


@kind
def missing_quote(file: File, rng: random.Random) -> str | None:
    found = _strings(file)
    if not found:
        return None
    _, string, start, end = rng.choice(found)
    if rng.random() < 0.35:
        at = start + re.search("['\"]", string).start()
        return file.cut(at, at + 1)
    return file.cut(end - 1, end)


@kind
def wrong_quote(file: File, rng: random.Random) -> str | None:
    found = _strings(file)
    if not found:
        return None
    _, string, _, end = rng.choice(found)
    return file.cut(end - 1, end, "'" if string[-1] == '"' else '"')


@kind
def inner_quote(file: File, rng: random.Random) -> str | None:
    found = [
        t
        for t in file.tokens
        if t[0] == tokenize.STRING
        and t[1][0] in "'\""
        and re.search(r"\\['\"]", t[1])
        and t[1][:3] not in ("'''", '"""')
    ]
    if not found:
        return None
    _, string, start, _ = rng.choice(found)
    at = start + re.search(r"\\['\"]", string).start()
    return file.cut(at, at + 1)


@kind
def missing_triple(file: File, rng: random.Random) -> str | None:
    found = [t for t in file.tokens if t[0] == tokenize.STRING and t[1][-3:] in ("'''", '"""')]
    if not found:
        return None
    _, _, _, end = rng.choice(found)
    return file.cut(end - 3, end)


@kind
def smart_quotes(file: File, rng: random.Random) -> str | None:
    found = [t for t in _strings(file) if t[1][0] in "'\""]
    if not found:
        return None
    _, string, start, end = rng.choice(found)
    left, right = ("‘", "’") if string[0] == "'" else ("“", "”")
    return file.cut(start, end, left + string[1:-1] + right)


def _indent(change: Callable[[str], str | None]) -> Callable[[File, random.Random], str | None]:
    def mutate(file: File, rng: random.Random) -> str | None:
        found = [i for i in file.statements if i]
        if not found:
            return None
        line = rng.choice(found)
        new = change(file.lines[line])
        return file.with_lines(line, line + 1, [new]) if new is not None else None

    return mutate


KINDS["over_indent"] = _indent(lambda line: "  " + line)
KINDS["over_indent_4"] = _indent(lambda line: "    " + line)
KINDS["under_indent"] = _indent(lambda line: line[2:] if line.startswith("    ") else None)
KINDS["under_indent_4"] = _indent(lambda line: line[4:] if line.startswith("        ") else None)
KINDS["tab_indent"] = _indent(lambda line: "\t" + line[8:] if line.startswith("        ") else None)
KINDS["tab_for_four"] = _indent(lambda line: "\t" + line[4:] if line.startswith("    ") else None)
KINDS["nbsp_indent"] = _indent(lambda line: line.replace("    ", "\u00a0" * 4, 1) if line.startswith("    ") else None)
KINDS["slash_comment"] = _indent(lambda line: line[: len(line) - len(line.lstrip())] + "// then this\n" + line)
KINDS["bom_inside"] = _indent(lambda line: "\ufeff" + line)


@kind
def block_indent(file: File, rng: random.Random) -> str | None:
    found = [line for line, _ in _headers(file)]
    if not found:
        return None
    line = rng.choice(found)
    end = file.block(line)
    add = rng.choice(["  ", "    ", " "])
    if rng.random() < 0.5 and file.lines[line].startswith(add):
        return file.with_lines(line, end, [s[len(add) :] if s.startswith(add) else s for s in file.lines[line:end]])
    return file.with_lines(line, end, [add + s if s.strip() else s for s in file.lines[line:end]])


@kind
def body_not_indented(file: File, rng: random.Random) -> str | None:
    found = _headers(file)
    if not found:
        return None
    line, at = rng.choice(found)
    body = next(i for i in range(line, len(file.lines)) if file.starts[i + 1] > at) + 1
    end = file.block(line)
    if end - body > 6 or body >= end:
        return None
    step = (
        len(file.lines[body])
        - len(file.lines[body].lstrip())
        - (len(file.lines[line]) - len(file.lines[line].lstrip()))
    )
    return (
        file.with_lines(body, end, [s[step:] if s.strip() else s for s in file.lines[body:end]]) if step > 0 else None
    )


@kind
def merge_markers(file: File, rng: random.Random) -> str | None:
    if len(file.lines) < 8:
        return None
    low = rng.randrange(len(file.lines) - 4)
    part = file.lines[low : low + 3]
    other = part if rng.random() < 0.5 else part[:1]
    return file.with_lines(low, low + 3, ["<<<<<<< HEAD\n", *part, "=======\n", *other, ">>>>>>> topic\n"])


@kind
def double_bom(file: File, rng: random.Random) -> str | None:
    return "\ufeff\ufeff" + file.text


@kind
def nul_byte(file: File, rng: random.Random) -> str | None:
    at = rng.randrange(len(file.text))
    return file.cut(at, at, "\0")


@kind
def zero_width(file: File, rng: random.Random) -> str | None:
    found = [t for t in file.tokens if t[0] == tokenize.NAME]
    _, _, start, end = rng.choice(found)
    at = rng.choice([start, end])
    return file.cut(at, at, rng.choice("\u200b\u200e\u2060"))


@kind
def truncated(file: File, rng: random.Random) -> str | None:
    return file.text[: rng.randrange(len(file.text) // 2, len(file.text))]


@kind
def assign_for_equal(file: File, rng: random.Random) -> str | None:
    return _token_cut(("==",), "=")(file, rng)


@kind
def repeated_argument(file: File, rng: random.Random) -> str | None:
    found = list(re.finditer(r"(?<=[(,] )\b(\w+)=(\w+)(?=[,)])", file.text))
    if not found:
        return None
    match = rng.choice(found)
    return file.cut(match.end(), match.end(), ", " + match.group())


@kind
def else_if(file: File, rng: random.Random) -> str | None:
    found = [t for t in file.tokens if t[1] == "elif"]
    if not found:
        return None
    _, _, start, end = rng.choice(found)
    return file.cut(start, end, rng.choice(["else if", "elseif", "elsif"]))


@kind
def future_import(file: File, rng: random.Random) -> str | None:
    found = [i for i in file.statements if re.match(r"(import|from) ", file.lines[i])]
    future = [i for i in found if file.lines[i].startswith("from __future__")]
    later = [i for i in found if future and i > future[-1] and "(" not in file.lines[i]]
    if not later:
        return None
    line = rng.choice(later)
    rest = file.lines[:]
    rest.insert(line + 1, file.lines[future[-1]])
    del rest[future[-1]]
    return "".join(rest)


@kind
def python2_print(file: File, rng: random.Random) -> str | None:
    found = list(re.finditer(r"^(\s*)print\((?![*])(\w[^\n=]*|\"[^\n=]*|'[^\n=]*)\)$", file.text, re.MULTILINE))
    if not found:
        return None
    match = rng.choice(found)
    return file.cut(match.start(), match.end(), f"{match.group(1)}print {match.group(2)}")


@kind
def python2_except(file: File, rng: random.Random) -> str | None:
    found = list(re.finditer(r"(?<=except )([\w.]+) as (?=\w+:)", file.text))
    if not found:
        return None
    match = rng.choice(found)
    return file.cut(match.start(), match.end(), match.group(1) + ", ")


@kind
def joined_lines(file: File, rng: random.Random) -> str | None:
    found = [t for t in file.tokens if t[0] == tokenize.NEWLINE]
    if not found:
        return None
    _, _, start, end = rng.choice(found)
    rest = re.compile(r"[ \t]*").match(file.text, end)
    return file.cut(start, rest.end(), " ")


@kind
def stray_word(file: File, rng: random.Random) -> str | None:
    found = [t for t in file.tokens if t[0] == tokenize.NEWLINE]
    if not found:
        return None
    _, _, start, _ = rng.choice(found)
    return file.cut(start, start, rng.choice(["s", " x", "`", "\\", "]", ";;", " ?"]))


@kind
def c_operators(file: File, rng: random.Random) -> str | None:
    found = [t for t in file.tokens if t[1] in ("and", "or")]
    if not found:
        return None
    _, word, start, end = rng.choice(found)
    return file.cut(start, end, "&&" if word == "and" else "||")
