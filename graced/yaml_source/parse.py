"""Text to nodes, on PyYAML's parser (libyaml where it is there).

Built from the parser's events, not its composer: the composer recurses, expands aliases without end and keeps the
last of two equal keys silently; here depth and size are limited, and the second key is a problem. After a syntax error
what was read before it is still given, for whoever needs only one key of a broken file.
"""

import re
from typing import Any, Final

import yaml

from graced.yaml_source.node import Node, is_utf8
from graced.yaml_source.problem import Problem, Problems, clip, join

SIZE_LIMIT_BYTES: Final = 1 << 20
DEPTH_LIMIT: Final = 40
NODES_LIMIT: Final = 200_000
"""Values in a file, with those behind an alias counted at each use."""

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TEXT_TAGS: Final = ("!", "tag:yaml.org,2002:str")
_ODD_BREAK = re.compile("[\x85\u2028\u2029]")


def read_text(file: str, path: str, problems: Problems, errors: str = "strict") -> str | None:
    """The text of the file at `path`, called `file` in messages; None after a problem. `errors` as for bytes.decode."""
    try:
        with open(path, "rb") as stream:
            data = stream.read(SIZE_LIMIT_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        problems.add(Problem(file, 1, 1, "", f"cannot be read: {reason}"))
        return None
    if len(data) > SIZE_LIMIT_BYTES:
        problems.add(Problem(file, 1, 1, "", f"is larger than {SIZE_LIMIT_BYTES >> 20} MiB", "split it with `include`"))
        return None
    try:
        return data.decode("utf-8-sig", errors)
    except UnicodeDecodeError as error:
        line, column = _place(data[: error.start].decode("utf-8-sig", "replace"))
        problems.add(Problem(file, line, column, "", "is not UTF-8 text", "save the file as UTF-8"))
        return None


def parse(text: str, file: str, problems: Problems) -> tuple[Node | None, bool]:
    """The root of the document in `text` (None if it is empty), and whether all of it was read.

    If not, there is a problem, and the root holds what was there before it.
    """
    text = text.removeprefix("\ufeff")
    wrong = _UNPRINTABLE.search(text)
    if wrong:
        line, column = _place(text[: wrong.start()])
        problems.add(Problem(file, line, column, "", f"character U+{ord(wrong.group()):04X} is not allowed in YAML"))
        text = text[: wrong.start()]
    whole = wrong is None
    builder = _Builder(file, problems)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            if not builder.take(event):
                return builder.root, False
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        whole = False
        said = ", ".join(part for part in (error.context, error.problem) if part)
        problems.add(Problem(file, *where, "", f"YAML: {said or 'cannot be parsed'}", _syntax_hint(text, *where)))
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # the pure parser lets chr() complain
        whole = False
        problems.add(Problem(file, 1, 1, "", f"YAML: {' '.join(str(error).split())}"))
    return builder.root, whole


class _Open:
    """A mapping or sequence whose end has not come yet."""

    __slots__ = ("anchor", "key", "node", "path", "seen")

    def __init__(self, node: Node, anchor: str | None, path: str) -> None:
        self.node, self.anchor, self.path = node, anchor, path
        self.key: Node | None = None
        self.seen: dict[str, Node] = {}


class _Builder:
    """Puts events together. `take` answers whether to go on."""

    def __init__(self, file: str, problems: Problems) -> None:
        self.file, self.problems = file, problems
        self.root: Node | None = None
        self._stack: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._documents = 0

    def take(self, event: yaml.Event) -> bool:
        if isinstance(event, yaml.ScalarEvent):
            if event.tag is not None and event.tag not in _TEXT_TAGS:
                self._tag(event)
            plain = event.tag is None and bool(event.implicit[0])
            node = self._node(event, "scalar")
            node.text, node.plain = event.value, plain
            if not is_utf8(event.value):  # "\ud800", which the pure parser lets through
                self._fault(event, "", "holds a character that is no text")
                return False
            return self._attach(node, event.anchor)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            return self._open(event)
        if isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            return self._close()
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self._fault(event, "", "a second document begins here", "one file holds one document; remove the `---`")
                return False
        return True

    def _open(self, event: Any) -> bool:
        kind: Any = "mapping" if isinstance(event, yaml.MappingStartEvent) else "sequence"
        if event.tag is not None and event.tag != "!":
            self._tag(event)
        node = self._node(event, kind)
        if len(self._stack) >= DEPTH_LIMIT:
            self._fault(event, "", f"is nested more than {DEPTH_LIMIT} deep")
            return False
        path = self._stack[-1].path if self._stack else ""
        if self._stack:
            top = self._stack[-1]
            if top.node.kind == "sequence":
                path = f"{path}[{len(top.node.items)}]"
            elif top.key is not None:
                path = join(path, top.key.text)
        else:
            self.root = node  # what is read of it is of use even if its end never comes
        self._stack.append(_Open(node, event.anchor, path))
        return True

    def _close(self) -> bool:
        top = self._stack.pop()
        if top.node.kind == "mapping":
            self._merge(top)
        return self._attach(top.node, top.anchor)

    def _alias(self, event: yaml.AliasEvent) -> bool:
        name = event.anchor or ""
        if any(top.anchor == name for top in self._stack):
            self._fault(event, "", f"*{name} stands inside what it names")
            return False
        if name not in self._anchors:
            self._fault(event, "", f"*{name} names nothing", f"an anchor &{name} must stand before it")
            return False
        return self._attach(self._anchors[name], None)

    def _attach(self, node: Node, anchor: str | None) -> bool:
        if anchor is not None:
            self._anchors[anchor] = node
        if not self._stack:
            self.root = node
            return True
        top = self._stack[-1]
        top.node.size += node.size
        top.node.depth = max(top.node.depth, node.depth + 1)
        if top.node.size > NODES_LIMIT:
            self._fault_at(top.node, top.path, f"holds more than {NODES_LIMIT} values", "do its aliases multiply?")
            return False
        if len(self._stack) + node.depth > DEPTH_LIMIT:
            self._fault_at(top.node, top.path, f"is nested more than {DEPTH_LIMIT} deep")
            return False
        if top.node.kind == "sequence":
            top.node.items.append(node)
        elif top.key is None:
            top.key = self._key(top, node)
        else:
            key, top.key = top.key, None
            self._pair(top, key, node)
        return True

    def _key(self, top: _Open, node: Node) -> Node:
        if node.kind != "scalar":
            top.node.told = True
            hint = 'quote it if it is meant as "{{ … }}"' if node.kind == "mapping" else ""
            self._fault_at(node, top.path, "a key must be a plain word, not " + node.describe(), hint)
        elif not node.text:
            self._fault_at(node, top.path, "an empty key")
        return node

    def _pair(self, top: _Open, key: Node, node: Node) -> None:
        if key.kind != "scalar":
            return
        first = top.seen.get(key.text)
        if first is not None:
            self._fault_at(key, join(top.path, key.text), f"is given twice; the first is at line {first.line}")
            return
        top.seen[key.text] = key
        top.node.pairs.append((key, node))

    def _merge(self, top: _Open) -> None:
        """`<<: *base` or `<<: [*a, *b]`: what is written beside it wins, then the earlier base."""
        found = next((pair for pair in top.node.pairs if pair[0].text == "<<" and pair[0].plain), None)
        if found is None:
            return
        top.node.pairs.remove(found)
        sources = found[1].items if found[1].kind == "sequence" else [found[1]]
        for source in sources:
            if source.kind != "mapping":
                message = f"needs a mapping, not {source.describe()}"
                self._fault_at(source, join(top.path, "<<"), message, "write <<: *NAME")
                continue
            for key, node in source.pairs:
                if key.text not in top.seen:
                    top.seen[key.text] = key
                    top.node.pairs.append((key, node))

    def _node(self, event: Any, kind: Any) -> Node:
        return Node(kind, self.file, event.start_mark.line + 1, event.start_mark.column + 1)

    def _tag(self, event: Any) -> None:
        tag = str(event.tag).replace("tag:yaml.org,2002:", "!!")
        self._fault(event, "", f"the tag {clip(tag)} is not known", "of tags there is only !!str")

    def _fault(self, event: Any, path: str, message: str, hint: str = "") -> None:
        mark = event.start_mark
        path = path or (self._stack[-1].path if self._stack else "")
        self.problems.add(Problem(self.file, mark.line + 1, mark.column + 1, path, message, hint))

    def _fault_at(self, node: Node, path: str, message: str, hint: str = "") -> None:
        self.problems.add(Problem(self.file, node.line, node.column, path, message, hint))


def _place(before: str) -> tuple[int, int]:
    """Line and column, from 1, of what stands after `before`; line ends as YAML has them."""
    lines = _ODD_BREAK.sub("\n", before.replace("\r\n", "\n").replace("\r", "\n")).split("\n")
    return len(lines), len(lines[-1]) + 1


def _syntax_hint(text: str, line: int, column: int) -> str:
    """What most often is behind a syntax error at this place."""
    lines = text.splitlines()
    here = lines[line - 1] if 0 < line <= len(lines) else ""
    if "\t" in here[: column + 1]:
        return "indent with spaces, not tabs"
    if "${" in here and "{" in here.replace("${", ""):
        return "quote a value with ${…} inside { }"
    if here.count(": ") > 1 or (here.rstrip().endswith(":") and ": " in here):
        return "quote a value that holds `: `"
    if here[column - 1 : column] in ("@", "`", "%", "*", "&", "!"):
        return "quote a value that begins with " + here[column - 1]
    return "check the indentation and brackets just before"
