"""What compiles and may do something else than was meant is suggested, not applied."""

import pytest

from graced.repair import repair

DOUBTFUL = [
    ("code is commented out", "def f(x):\n    check_password(x) ?? deny()\n    go()\n"),
    ("a condition behind a statement is lost", "def f(x):\n    delete(x) if x.safe\n    return 1\n"),
    ("so is this one", "def f(x):\n    delete(x) unless x.safe\n    return 1\n"),
    ("a conditional return becomes one that is none", "def f(x):\n    return if not x\n    go()\n"),
    ("a condition becomes prose", "def f(x):\n    return 1 if user is admin?\n"),
    ("raise is lost, and a call becomes an annotation", "def f(user):\n    user.can?('x') or raise(X)\n    go()\n"),
    ("Jinja", "import os\n{% if x %}\nimport json\n{% endif %}\n x = 1\n"),
    ("an expression of Jinja", "x = {{ value }}\n y = 2\n"),
]


@pytest.mark.parametrize("source", [source for _, source in DOUBTFUL], ids=[name for name, _ in DOUBTFUL])
def test_a_person_sees_it_first(source: str) -> None:
    found = repair(source.encode())
    assert found.state in ("suggested", "not_fixed"), found.fixed
    assert found.confidence < 0.5


CERTAIN = [
    ("unless X:\n    f()\n", "if not X:\n    f()\n"),
    ("unless a and b:\n    f()\n", "if not (a and b):\n    f()\n"),
    ("unless a == b:\n    f()\n", "if not a == b:\n    f()\n"),
    ("until done or late:\n    step()\n", "while not (done or late):\n    step()\n"),
    ("$user->assertAdmin();\n", "user.assertAdmin();\n"),
    ("x = 1\nT = '''{{ name }} {% if %}'''\nf(x\n", "x = 1\nT = '''{{ name }} {% if %}'''\nf(x)\n"),
    ("x: int = = 3\n", "x: int =  3\n"),
    ("if if x:\n    f()\n", "if x:\n    f()\n"),
    ("x = f('It's for you if you like')\n", "x = f('It\\'s for you if you like')\n"),
]


@pytest.mark.parametrize(("source", "mended"), CERTAIN)
def test_what_keeps_its_meaning_is_mended(source: str, mended: str) -> None:
    found = repair(source.encode())
    assert (found.state, found.fixed) == ("fixed", mended.encode())
