"""Whole kinds of slips, each by an example: broken text in, the program that was meant out."""

import ast

import pytest

from graced.repair import repair

BRACES = [
    ("open brace", 'x = f"{a}/{b"\n', 'x = f"{a}/{b}"\n'),
    ("open brace with a format", 'print(f"{name}: {total:.2f")\n', 'print(f"{name}: {total:.2f}")\n'),
    ("open brace inside", 'x = f"{a is {b}"\n', 'x = f"{a} is {b}"\n'),
    ("brace too many", 'x = f"{a:.2f}s}"\n', 'x = f"{a:.2f}s"\n'),
    ("bracket too many in a field", "x = f\"({' '.join(a))})\"\n", "x = f\"({' '.join(a)})\"\n"),
    ("bracket too few in a field", 'x = f"{len(a}"\n', 'x = f"{len(a)}"\n'),
    ("the quotes of a newer Python", 'x = f"{a["k"]}"\n', "x = f\"{a['k']}\"\n"),
]
PASTED = [
    ("fence", "```python\nimport os\nprint(os.name)\n```\n", "import os\nprint(os.name)\n"),
    ("only the first fence", "```py\nx = 1\n", "x = 1\n"),
    ("fence and words", "Here's the file:\n\n```python\nx = 1\n```\n\nIt's done.\n", "x = 1\n"),
    ("words alone", "Here's the script you asked for:\n\nimport os\nprint(os.name)\n", "import os\nprint(os.name)\n"),
    ("label", "python\nCopy code\nimport os\n", "import os\n"),
    ("thoughts", "<think>\nIt needs a list.\n</think>\n\nx = [1]\n", "x = [1]\n"),
    ("gutter of cat -n", "     1\timport os\n     2\t\n     3\tprint(os.name)\n", "import os\n\nprint(os.name)\n"),
    ("gutter with colons", "1: def f():\n2:     return 1\n", "def f():\n    return 1\n"),
    ("gutter with bars", "1| def f():\n2|     return 1\n", "def f():\n    return 1\n"),
    ("session", ">>> x = 1\n>>> for i in y:\n...     print(i)\n...\n1\n", "x = 1\nfor i in y:\n    print(i)\n"),
    ("notebook", "In [1]: x = 1\n\nIn [2]: def f():\n   ...:     return x\n", "x = 1\ndef f():\n    return x\n"),
    ("commands", "$ cat a.py\nimport os\nprint(os.name)\n$ python3 a.py\n", "import os\nprint(os.name)\n"),
    (
        "written-out newlines",
        "import os\\n\\ndef f():\\n    return os.name\\n",
        "import os\n\ndef f():\n    return os.name\n",
    ),
    ("one of them", "import os\\nimport sys\nprint(os, sys)\n", "import os\nimport sys\nprint(os, sys)\n"),
    ("entities", "if a &lt; b:\n    print(&quot;x&quot;)\n", 'if a < b:\n    print("x")\n'),
    ("patch", "def f():\n-    x = g(1)\n+    x = g(1, 2)\n    return x\n", "def f():\n    x = g(1, 2)\n    return x\n"),
    ("edit block", "x = 0\n<<<<<<< SEARCH\ny = 1\n=======\ny = 2\n>>>>>>> REPLACE\n", "x = 0\ny = 2\n"),
    (
        "elision",
        "class A:\n    x = 1\n\n    // ... existing code ...\n\n    y = 2\n",
        "class A:\n    x = 1\n    y = 2\n",
    ),
    ("comment of C", "/*\n * Reads it.\n */\nimport os\n", "import os\n"),
]
HABITS = [
    (
        "switch",
        'switch x:\n    case "a":\n        f()\n    default:\n        g()\n',
        'match x:\n    case "a":\n        f()\n    case _:\n        g()\n',
    ),
    (
        "compared case",
        "match n:\n    case > 0:\n        f()\n    case _:\n        g()\n",
        "match n:\n    case _ if n > 0:\n        f()\n    case _:\n        g()\n",
    ),
    ("ternary", "def f(n):\n    return n > 1 ? 'a' : 'b'\n", "def f(n):\n    return 'a' if n > 1 else 'b'\n"),
    ("if then", "def f(n):\n    return if n < 0 then -1 else 1\n", "def f(n):\n    return -1 if n < 0 else 1\n"),
    ("braces", "if (x) {\n    a();\n} else {\n    b();\n}\n", "if (x):\n    a();\nelse:\n    b();\n"),
    ("declared", "int i = 0\nprint(i)\n", "i = 0\nprint(i)\n"),
    ("annotation", "class A:\n    name: str\n    age int\n", "class A:\n    name: str\n    age: int\n"),
    (
        "annotations of parameters",
        "def f(host str, port int = 1):\n    return host\n",
        "def f(host: str, port: int = 1):\n    return host\n",
    ),
    ("annotations in a call", "f('--n', type: int, default: 3)\n", "f('--n', type=int, default=3)\n"),
    ("arrow", "def f(a) => int:\n    return a\n", "def f(a) -> int:\n    return a\n"),
    ("half a comparison", "if x > 5 and < 10:\n    f()\n", "if x > 5 and x < 10:\n    f()\n"),
    ("not a number", "if len(x) not 4:\n    f()\n", "if len(x) != 4:\n    f()\n"),
    (
        "global with a value",
        "def f():\n    global n = 1\n    return n\n",
        "def f():\n    global n\n    n = 1\n    return n\n",
    ),
    ("condition before for", "x = [v if v > 0 for v in y]\n", "x = [v for v in y if v > 0]\n"),
    (
        "walrus",
        "def f(t):\n    if (m = re.match('a', t)) is not None:\n        return m\n",
        "def f(t):\n    if (m := re.match('a', t)) is not None:\n        return m\n",
    ),
    (
        "walrus as a statement",
        "def f():\n    total := 0\n    return total\n",
        "def f():\n    total = 0\n    return total\n",
    ),
    ("yield in a call", "def f(d):\n    g(yield d)\n", "def f(d):\n    g((yield d))\n"),
    ("names side by side", "from a import b c, d\n", "from a import b, c, d\n"),
    ("imports of JavaScript", "import {a, b} from 'c'\n", "from c import a, b\n"),
    ("def async", "def async f():\n    await g()\n", "async def f():\n    await g()\n"),
    ("no parameters", "def f:\n    return 1\n", "def f():\n    return 1\n"),
    ("colon behind a call", "def f():\n    x = list():\n    return x\n", "def f():\n    x = list()\n    return x\n"),
    ("plus", "print('a' + str(n) ' b')\n", "print('a' + str(n) + ' b')\n"),
    ("blank in a name", "first name = g()\nprint(first name)\n", "first_name = g()\nprint(first_name)\n"),
    ("dash in a name", "my-var = 3\nprint(my-var)\n", "my_var = 3\nprint(my_var)\n"),
    (
        "keyword for a name",
        "class A:\n    def __init__(self, class):\n        self.class = class\n",
        "class A:\n    def __init__(self, class_):\n        self.class_ = class_\n",
    ),
]
LEFTOVERS = [
    (
        "tail",
        "def f(d, o):\n    dump(d, o, indent=2)\n    indent=2)\n    return o\n",
        "def f(d, o):\n    dump(d, o, indent=2)\n    return o\n",
    ),
    (
        "commented call",
        "def f(a):\n    # log(\n        'x %s',\n        a,\n    )\n    return a\n",
        "def f(a):\n    return a\n",
    ),
    (
        "commented body",
        "try:\n    f()\nexcept OSError:\n    # log('x')\n\ng()\n",
        "try:\n    f()\nexcept OSError:\n    pass\n\ng()\n",
    ),
    (
        "import inside",
        "from a import (\nfrom b import c\n    d,\n    e,\n)\n",
        "from a import (\n    d,\n    e,\n)\nfrom b import c\n",
    ),
    (
        "lost try",
        "def f(p):\n    with open(p) as g:\n        return g\n    except OSError:\n        return 1\n",
        "def f(p):\n    try:\n        with open(p) as g:\n            return g\n"
        "    except OSError:\n        return 1\n",
    ),
    (
        "margin",
        "def f(s):\n    try:\nx = g(s)\nh(x)\n        return x\n    except OSError:\n        return 1\n",
        "def f(s):\n    try:\n        x = g(s)\n        h(x)\n        return x\n"
        "    except OSError:\n        return 1\n",
    ),
    ("letters before a word", "import os\n\njjdef f():\n    return os\n", "import os\n\ndef f():\n    return os\n"),
    ("a letter behind", "x = f()Y\nprint(x)\n", "x = f()\nprint(x)\n"),
    ("a commit's id", "R = f(__file__) 4f2c91ab\nprint(R)\n", "R = f(__file__)\nprint(R)\n"),
    ("the first marker alone", "import os\n<<<<<<< HEAD\n\nprint(os.name)\n", "import os\n\nprint(os.name)\n"),
    (
        "a torn string",
        'def f(a):\n    t = "\n".join(a)\n    return t\n',
        'def f(a):\n    t = "\\n".join(a)\n    return t\n',
    ),
    (
        "elif behind else",
        "if a:\n    f()\nelse:\n    g()\nelif b:\n    h()\n",
        "if a:\n    f()\nelif b:\n    h()\nelse:\n    g()\n",
    ),
    ("a quote twice", 'log(""started %s", a)\n', 'log("started %s", a)\n'),
    (
        "a docstring closed by two",
        'def f(a):\n    """Says.""\n    return a\n\n\ndef g(a):\n    """Says more."""\n    return a\n',
        'def f(a):\n    """Says."""\n    return a\n\n\ndef g(a):\n    """Says more."""\n    return a\n',
    ),
    (
        "a condition that goes on",
        "while True:\n    if f(a)\n    < b < c:\n        g()\n",
        "while True:\n    if f(a) < b < c:\n        g()\n",
    ),
]
CASES = [*BRACES, *PASTED, *HABITS, *LEFTOVERS]


@pytest.mark.parametrize(("broken", "meant"), [pytest.param(*case[1:], id=case[0]) for case in CASES])
def test_the_program_that_was_meant_comes_out(broken: str, meant: str) -> None:
    found = repair(broken.encode())
    if found.state == "intact":  # an f-string, for the Python that runs this
        return
    assert found.fixed is not None, found.why
    assert ast.dump(ast.parse(found.fixed)) == ast.dump(ast.parse(meant)), found.fixed.decode()


KEYWORDS = {
    "import": "import os\n\nprint(os.name)\n",
    "return": "def f(w):\n    size = w * 2\n    return size\n",
    "while": "n = 3\nwhile n > 0:\n    n -= 1\n",
    "elif": "if x:\n    a()\nelif y:\n    b()\n",
    "except": "try:\n    f()\nexcept OSError:\n    g()\n",
    "global": "x = 1\n\ndef f():\n    global x\n    x = 2\n",
    "lambda": "f = sorted([1], key=lambda x: -x)\n",
    "class": "class A:\n    def f(self):\n        return 1\n",
    "await": "async def f():\n    await g()\n",
    "match": "match x:\n    case 1:\n        print(1)\n",
    "case": "match x:\n    case 1:\n        print(1)\n",
}


@pytest.mark.parametrize("word", KEYWORDS)
def test_letters_of_a_keyword_may_be_swapped_or_missing(word: str) -> None:
    text = KEYWORDS[word]
    slips = {word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(len(word) - 1)}
    slips |= {word[:i] + word[i + 1 :] for i in range(1, len(word))}
    for slip in sorted(slips - {word}):
        found = repair(text.replace(word, slip, 1).encode())
        if found.state != "intact":
            assert found.fixed == text.encode(), slip
