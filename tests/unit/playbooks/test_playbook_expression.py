"""The language of `when`, `until` and `{{ … }}`."""

# ruff: noqa: E501  (tables are read row by row)

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graced.spec.expression import ExpressionError, holds, names_in, parse_expression, render

VARS: dict[str, Any] = {
    "target": "trigger", "n": 3, "on": True, "none": None, "list": ["a", "b"],
    "steps": {"one": {"ok": True, "output": {"code": 0, "lines": ["x"]}}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("target", "trigger"), ("n", 3), ("true", True), ("False", False), ("null", None), ("-1", -1), ("'a'", "a"),
        ("target == 'trigger'", True), ("target != 'trigger'", False), ("{{ target }} == 'trigger'", True),
        ("'{{' in '{{x'", True), ("n > 2 and n < 4", True), ("1 < n <= 3", True), ("1 < n <= 2", False),
        ("n == 4 or target in ['trigger', 'x']", True), ("not on", False), ("'a' not in list", False), ("'rig' in target", True),
        ("none == null", True), ("steps.one.ok", True), ("steps.one.output.code == 0", True), ("steps['one']['ok']", True),
        ("steps.one.output.lines[0] == 'x'", True), ("none or 'default'", "default"), ("(on and n) == 3", True), ("[]", []),
        ("false and missing", False),
    ],
)  # fmt: skip
def test_values(text: str, value: Any) -> None:
    assert parse_expression(text).evaluate(VARS) == value


@pytest.mark.parametrize(
    "text",
    ["", " ", "a b", "f()", "__import__('os')", "a.b()", "1 + 1", "'a' * 9", "[x for x in y]", "lambda: 1", "a if b else c", "{1: 2}",
     "{a}", "a[b]", "a[0:1]", "f'{a}'", "a := 1", "(yield)", "await a", "*a", "-a", "~1", "a is b", "b'x'", "1j", "...", "not",
     "x" * 501, "(" * 200, "not " * 100 + "a", "[" * 40 + "]" * 40, "a\nb", "a;b", "{{ a", "\0"],
)  # fmt: skip
def test_what_is_not_of_the_language_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse_expression(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("missing", "there is no variable missing"), ("steps.two", "a mapping has no 'two'"), ("n < 'a'", "a number and a text"),
        ("1 in n", "cannot be compared"), ("target.__class__", "a text has no '__class__'"), ("list[9]", "a list has no 9"),
        ("list['a']", "a list has no 'a'"), ("none.x", "null has no 'x'"), ("[1] in steps", "cannot be compared"),
    ],
)  # fmt: skip
def test_values_that_make_no_sense_are_told(text: str, said: str) -> None:
    with pytest.raises(ExpressionError, match=said.replace("[", r"\[")):
        parse_expression(text).evaluate(VARS)


@given(st.text(max_size=60))
def test_any_text_is_evaluated_or_refused(text: str) -> None:
    try:
        parse_expression(text).evaluate(VARS)
    except ExpressionError as wrong:
        assert str(wrong)


@given(
    st.lists(
        st.sampled_from(
            [*"()[]{}.,'\"=!<>-", "and ", "or ", "not ", "in ", "target", "n", "steps", "1", "{{", "}}", " "]
        ),
        max_size=25,
    ).map("".join)
)
def test_any_soup_is_evaluated_or_refused(text: str) -> None:
    try:
        parse_expression(text).evaluate(VARS)
    except ExpressionError as wrong:
        assert str(wrong)


def test_a_text_that_is_one_expression_keeps_its_type() -> None:
    assert render("{{ n }}", VARS) == 3
    assert render("{{ list }}", VARS) == ["a", "b"]
    assert render("x{{ n }}y{{ on }}{{none}}", VARS) == "x3ytruenull"
    assert render({"a": ["{{ n }}", 5, "plain"], "b": None}, VARS) == {"a": [3, 5, "plain"], "b": None}


def test_what_is_filled_in_is_not_looked_at_again() -> None:
    assert render("{{ x }}", {"x": "{{ y }}"}) == "{{ y }}"
    assert render("a {{ x }}", {"x": "{{ y }}"}) == "a {{ y }}"


def test_what_grows_too_long_is_refused() -> None:
    with pytest.raises(ExpressionError, match="longer than"):
        render("{{ x }}{{ x }}", {"x": "a" * 40_000})


def test_names() -> None:
    assert names_in({"a": "{{ x }} {{ y.z == w }}", "b": ["{{ v['q'] }}", 1]}) == {"x", "y", "w", "v"}
    assert parse_expression("true and a in ['b']").names == {"a"}


def test_a_condition_that_is_not_there_holds() -> None:
    assert holds(None, {})
    assert holds("n == 3", VARS)
    assert not holds("none", VARS)
