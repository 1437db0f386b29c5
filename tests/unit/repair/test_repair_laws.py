"""What may change what a program does is suggested, never applied, however sure it is."""

import pytest

from graced.repair import repair
from graced.repair.laws import NAMES, broken_law

HELD = [
    # meaning deleted or changed
    ("operator", "x = 1 +* 2\ny = f(x\n"),
    ("a guard's right side", "def erase(user, item):\n    if user == :\n        return\n    item.delete()\n"),
    ("a guard's second half", "def erase(user, item):\n    if user.ok and not :\n        item.delete()\n"),
    ("which of two operators", "def check(a, b):\n    return a >< b\n"),
    ("an operator in a condition", "def clean(item, age):\n    if item.temporary age > 30:\n        item.delete()\n"),
    ("stars of parameters", "def f(a, **kw, d):\n    return a\n"),
    ("a literal with zeros", "code = 00123\nprint(code)\n"),
    ("await at the top", "import trio\n\nasync with trio.open_nursery() as nursery:\n    nursery.start_soon(print)\n"),
    ("return at the top", "def f():\n    return 1\n\nreturn f()\n"),
    (
        "code taken for text",
        'def drop(db, name):\n    db.run("DELETE FROM t WHERE n = \'" + name + ")\n    db.commit()\n',
    ),
    ("a secret", "import os\nAPI_KEY = sk@live!9f8\nHOST = os.environ['HOST']\n"),
    ("either of two brackets", "def cost(a, b, c):\n    return (a + b] * c\n"),
    # code silenced or left without its condition
    ("code commented out", "def f(x):\n    check_password(x) ?? deny()\n    go()\n"),
    ("a condition behind a statement", "def f(x):\n    delete(x) if x.safe\n    return 1\n"),
    ("another one", "def f(x):\n    delete(x) unless x.safe\n    return 1\n"),
    ("a call that becomes an annotation", "def f(user):\n    user.can?('x') or raise(X)\n    go()\n"),
    (
        "a half-typed if",
        "def pay(account, amount):\n    if amount > account.balance:\n    account.save()\n    return account\n",
    ),
    ("a half-typed try", "def load(path):\n    try:\n    with open(path) as f:\n        return f.read()\n"),
    # what only its author knows
    ("a conflict", "<<<<<<< HEAD\nHOST = 'a'\n=======\nHOST = 'b'\n>>>>>>> main\n"),
    ("the second of two values", "f(a=1, b=2, a=3)\n"),
    ("arguments in another order", "send(to='ann', 'Hello', 'Bye')\n"),
    ("a hole of NULs", "def second():\n    re" + "\0" * 30 + "(first(), os.name)\n\n\nmain()\n"),
    ("a lost end", "def main():\n    print(1)\n\n\n" + "\0" * 7),
    ("a torn call", "def f(items):\n    for item in items:\n        total(item, item.cou"),
    ("a value that is being typed", "def f(price):\n    total = price +\n    print(total)\n"),
    ("a text that is being typed", 'def f():\n    name = "ann\n    print(name)\n'),
    ("an entry that is being typed", "S = {\n    'host': 'a',\n    'port': \n    'debug': False,\n}\n"),
    ("two bare words", "import os\nfiles location\nprint(os.name)\n"),
    ("one value that becomes two", "HOST = 10.0.0.1\n"),
    ("a bracket of arithmetic", "def f(a, b, c):\n    return g(1) + (a + b * c\n"),
    ("a comparison as a statement", "f() = 3\n"),
    ("an alias", "import numpy as\nprint(1)\n"),
    ("a lost class", "import os\n\n    def __init__(self, link):\n        self.link = link\n"),
]


@pytest.mark.parametrize("source", [source for _, source in HELD], ids=[name for name, _ in HELD])
def test_a_person_sees_it_first(source: str) -> None:
    found = repair(source.encode(), min_confidence=0.0)
    assert found.state in ("suggested", "not_fixed"), found.fixed
    assert found.why


FREE = [
    ("unless X:\n    f()\n", "if not X:\n    f()\n"),
    ("unless a and b:\n    f()\n", "if not (a and b):\n    f()\n"),
    ("until done or late:\n    step()\n", "while not (done or late):\n    step()\n"),
    ("$user->assertAdmin();\n", "user.assertAdmin();\n"),
    ("x: int = = 3\n", "x: int =  3\n"),
    ("if if x:\n    f()\n", "if x:\n    f()\n"),
    ("x = f('It's for you if you like')\n", "x = f('It\\'s for you if you like')\n"),
    ("<<<<<<< HEAD\nx = 1\n=======\nx = 1\n>>>>>>> b\n", "x = 1\n"),
    ("f(a=1, b=2, a=1)\n", "f(a=1, b=2)\n"),
    ("def f(a):\n    return a\n\nprint(f(1))\n" + "\0" * 64, "def f(a):\n    return a\n\nprint(f(1))\n"),
    ("def f():\n    a = 1\n  b = 2\n    return a\n", "def f():\n    a = 1\n    b = 2\n    return a\n"),
]


@pytest.mark.parametrize(("source", "mended"), FREE)
def test_what_keeps_its_meaning_breaks_no_law(source: str, mended: str) -> None:
    found = repair(source.encode(), min_confidence=0.0)
    assert (found.state, found.fixed) == ("fixed", mended.encode())


def test_a_law_says_its_name_and_why() -> None:
    law = broken_law("x\0\0y = 1\n", "xy = 1\n", "xy = 1\n", ())
    assert law is not None
    assert law.name == "hole"
    assert law.name in NAMES
    assert law.why
