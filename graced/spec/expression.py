"""The language of `when`, `until` and `{{ … }}`: names, literals, comparisons, and, or, not, in. Nothing is called.

A name is looked up in the variables; `a.b` and `a["b"]` look into a mapping, `a[0]` into a list. `{{ x }}` inside an
expression is x itself, so that both ways of writing it work.
"""

import operator
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import ast

LENGTH_LIMIT_CHARS: Final = 500
DEPTH_LIMIT: Final = 30
RESULT_LIMIT_CHARS: Final = 64 * 1024

_CONSTANTS: Final[dict[str, Any]] = {
    "true": True,
    "false": False,
    "null": None,
    "True": True,
    "False": False,
    "None": None,
}
_COMPARE: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "Eq": operator.eq,
    "NotEq": operator.ne,
    "Lt": operator.lt,
    "LtE": operator.le,
    "Gt": operator.gt,
    "GtE": operator.ge,
    "In": lambda a, b: a in b,
    "NotIn": lambda a, b: a not in b,
}
_KINDS: Final[tuple[tuple[Any, str], ...]] = (
    (bool, "true or false"),
    (str, "a text"),
    (int | float, "a number"),
    (Mapping, "a mapping"),
    (list | tuple, "a list"),
)
_KEYWORDS: Final = frozenset({"and", "or", "not", "in", "is", "if", "else", "for", "lambda"})


class ExpressionError(ValueError):
    """One line: what is wrong with the expression, or with a value that it met."""


class Expression:
    """A checked expression. `names`: the variables it needs."""

    __slots__ = ("_tree", "names", "text")

    def __init__(self, text: str, tree: "ast.expr | tuple[str, ...]", names: frozenset[str]) -> None:
        self.text, self._tree, self.names = text, tree, names

    def evaluate(self, variables: Mapping[str, Any]) -> Any:
        """Its value. Raises ExpressionError for an unknown name or a comparison that makes no sense."""
        if isinstance(self._tree, tuple):
            value: Any = _variable(self._tree[0], variables)
            for part in self._tree[1:]:
                value = _look(value, part)
            return value
        return _evaluate(self._tree, variables)


def parse_expression(text: str) -> Expression:
    """Raises ExpressionError if it is not of this language."""
    if len(text) > LENGTH_LIMIT_CHARS:
        raise ExpressionError(f"an expression has at most {LENGTH_LIMIT_CHARS} characters")
    bare = _without_braces(text).strip()
    if not bare:
        raise ExpressionError("an empty expression")
    parts = tuple(bare.split("."))
    if all(part.isascii() and part.isidentifier() for part in parts) and not _reserved(parts):
        return Expression(text, parts, frozenset(parts[:1]))  # a plain variable, by far the most common
    import ast
    import warnings

    try:
        with warnings.catch_warnings():  # of odd literals such as 1in, which would go to the terminal
            warnings.simplefilter("ignore")
            tree = ast.parse(bare, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else "too deep"
        raise ExpressionError(f"cannot be understood: {reason}") from None
    names: set[str] = set()
    _check(tree, names, 1)
    return Expression(text, tree, frozenset(names))


def _reserved(parts: tuple[str, ...]) -> bool:
    return parts[0] in _CONSTANTS or any(part in _KEYWORDS for part in parts)


def _without_braces(text: str) -> str:
    """`{{ x }}` as `( x )`, but not within quotes."""
    if "{{" not in text:
        return text
    out: list[str] = []
    quote = ""
    index = 0
    while index < len(text):
        pair = text[index : index + 2]
        if quote:
            quote = "" if text[index] == quote else quote
        elif pair in ("{{", "}}"):
            out.append("(" if pair == "{{" else ")")
            index += 2
            continue
        elif text[index] in "'\"":
            quote = text[index]
        out.append(text[index])
        index += 1
    return "".join(out)


def _check(node: "ast.AST", names: set[str], depth: int) -> None:
    """Refuse every kind of node that is not listed here."""
    import ast

    if depth > DEPTH_LIMIT:
        raise ExpressionError("is nested too deep")
    match node:
        case ast.Constant(value=str() | bool() | int() | float() | None):
            return
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float())):
            return
        case ast.Name(id=name):
            if name not in _CONSTANTS:
                names.add(name)
            return
        case ast.BoolOp(values=children) | ast.List(elts=children) | ast.Tuple(elts=children):
            below: list[ast.AST] = list(children)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            below = [operand]
        case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op).__name__ in _COMPARE for op in ops):
            below = [left, *others]
        case ast.Attribute(value=value):
            below = [value]
        case ast.Subscript(value=value, slice=ast.Constant(value=str() | int())):
            below = [value]
        case _:
            raise ExpressionError(f"{_named(node)} is not allowed; there are ==, !=, <, >, in, and, or, not")
    for child in below:
        _check(child, names, depth + 1)


def _named(node: "ast.AST") -> str:
    words = {"Call": "calling a function", "BinOp": "arithmetic", "Subscript": "this index", "IfExp": "if … else"}
    return words.get(type(node).__name__, type(node).__name__)


def _evaluate(node: "ast.expr", variables: Mapping[str, Any]) -> Any:
    import ast

    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return _CONSTANTS[name] if name in _CONSTANTS else _variable(name, variables)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _evaluate(operand, variables)
        case ast.UnaryOp(operand=ast.Constant(value=number)):
            return -number  # type: ignore[operator]  # _check has let numbers through alone
        case ast.BoolOp(op=op, values=values):
            stop = isinstance(op, ast.Or)
            value = None
            for child in values:
                value = _evaluate(child, variables)
                if bool(value) == stop:
                    break
            return value
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_evaluate(item, variables) for item in items]
        case ast.Compare(left=left, ops=ops, comparators=others):
            return _compare(_evaluate(left, variables), ops, others, variables)
        case ast.Attribute(value=inner, attr=name):
            return _look(_evaluate(inner, variables), name)
        case ast.Subscript(value=inner, slice=ast.Constant(value=index)):
            return _look(_evaluate(inner, variables), index)
    raise AssertionError(f"_check let {type(node).__name__} through")


def _compare(left: Any, ops: "list[ast.cmpop]", others: "list[ast.expr]", variables: Mapping[str, Any]) -> bool:
    for op, other in zip(ops, others, strict=True):
        right = _evaluate(other, variables)
        try:
            held = bool(_COMPARE[type(op).__name__](left, right))
        except TypeError:
            raise ExpressionError(f"{_kind(left)} and {_kind(right)} cannot be compared like this") from None
        if not held:
            return False
        left = right
    return True


def _variable(name: str, variables: Mapping[str, Any]) -> Any:
    if name not in variables:
        raise ExpressionError(f"there is no variable {name}")
    return variables[name]


def _look(value: Any, key: Any) -> Any:
    try:
        if isinstance(value, Mapping) or (isinstance(value, list | tuple) and isinstance(key, int)):
            return value[key]
    except (KeyError, IndexError):
        pass
    raise ExpressionError(f"{_kind(value)} has no {key!r}")


def _kind(value: Any) -> str:
    return "null" if value is None else next((word for kind, word in _KINDS if isinstance(value, kind)), "this value")


# --- texts with {{ … }} in them ---------------------------------------------------------------------------


def pieces(text: str) -> list[str | Expression]:
    """`text` cut into plain parts and expressions. Raises ExpressionError."""
    found: list[str | Expression] = []
    rest = text
    while "{{" in rest:
        before, _, rest = rest.partition("{{")
        inside, closed, rest = rest.partition("}}")
        if not closed:
            raise ExpressionError("a {{ has no }}")
        if before:
            found.append(before)
        found.append(parse_expression(inside))
    if rest:
        found.append(rest)
    return found


def names_in(value: Any) -> frozenset[str]:
    """All variables that the texts anywhere in `value` need. Raises ExpressionError."""
    if isinstance(value, str):
        return frozenset().union(*(piece.names for piece in pieces(value) if isinstance(piece, Expression)))
    if isinstance(value, Mapping):
        return frozenset().union(*(names_in(child) for child in value.values()))
    if isinstance(value, list | tuple):
        return frozenset().union(*(names_in(child) for child in value))
    return frozenset()


def render(value: Any, variables: Mapping[str, Any]) -> Any:
    """`value` with every `{{ … }}` in its texts filled in. A text that is one `{{ … }}` alone keeps that value's type.

    Raises ExpressionError for a name that is not there.
    """
    if isinstance(value, str):
        if "{{" not in value:
            return value
        parts = pieces(value)
        if len(parts) == 1 and isinstance(parts[0], Expression):
            return parts[0].evaluate(variables)
        text = "".join(p if isinstance(p, str) else _text(p.evaluate(variables)) for p in parts)
        if len(text) > RESULT_LIMIT_CHARS:
            raise ExpressionError(f"is longer than {RESULT_LIMIT_CHARS} characters when filled in")
        return text
    if isinstance(value, Mapping):
        return {key: render(child, variables) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [render(child, variables) for child in value]
    return value


def _text(value: Any) -> str:
    """As YAML would write it: true, null, not True, None."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def holds(text: str | None, variables: Mapping[str, Any]) -> bool:
    """Whether a `when` or `until` is true; one that is not there is. Raises ExpressionError."""
    return True if text is None else bool(parse_expression(text).evaluate(variables))
