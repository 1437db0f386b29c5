"""What the engine does to each kind of slip: broken text in, the text that a person would have written out."""

import ast

import pytest

from graced.repair import repair

CASES = [
    # characters
    ("bom inside", "import a\n\ufeffx = 1\n", "import a\nx = 1\n"),
    ("two boms", "\ufeff\ufeffx = 1\n", "\ufeffx = 1\n"),
    ("nul", "imp\0ort a\n", "import a\n"),
    ("zero width", "x\u200b = 1\n", "x = 1\n"),
    ("nbsp indent", "if x:\n\u00a0\u00a0\u00a0\u00a0y()\n", "if x:\n    y()\n"),
    ("full-width", "print（a，b）\n", "print(a,b)\n"),
    ("smart quotes", "x = ‘it’\ny = “a 'b' c”\n", "x = 'it'\ny = \"a 'b' c\"\n"),
    ("smart close", "x = 'abc’\n", "x = 'abc'\n"),
    ("minus sign", "x = a − 1\n", "x = a - 1\n"),
    ("not in strings", "x = '“”\u00a0' ’\n", None),
    # brackets
    ("missing close", "print(max(a, b)\n", "print(max(a, b))\n"),
    ("missing close in header", "if f(x:\n    pass\n", "if f(x):\n    pass\n"),
    ("missing open", "def call(name):\n    return name\n\nx = callname, 1)\n",
     "def call(name):\n    return name\n\nx = call(name, 1)\n"),
    ("extra close", "x = (1, 2))\n", "x = (1, 2)\n"),
    ("wrong close", "x = f(a[1], {b: 2)\n", "x = f(a[1], {b: 2})\n"),
    ("lone close", "x = 1\n)\n", "x = 1\n\n"),
    # tokens
    ("missing colon", "def f(a)\n    return a\n", "def f(a):\n    return a\n"),
    ("semicolon for colon", "for i in x;\n    pass\n", "for i in x:\n    pass\n"),
    ("missing comma", "x = isinstance(a b)\n", "x = isinstance(a, b)\n"),
    ("missing in", "for i range(3):\n    pass\n", "for i in range(3):\n    pass\n"),
    ("missing =", "value  compute(1)\n", "value = compute(1)\n"),
    ("missing %", "x = '%s'  name\n", "x = '%s' % name\n"),
    ("= for ==", "if a = 3:\n    pass\n", "if a == 3:\n    pass\n"),
    ("misspelt", "improt os\n", "import os\n"),
    ("misspelt def", "edf f():\n    pass\n", "def f():\n    pass\n"),
    ("misspelt return", "def f(x):\n    retrun x\n", "def f(x):\n    return x\n"),
    ("doubled letter", "cclass A:\n    pass\n", "class A:\n    pass\n"),
    ("litter", "print(x)s\n", "print(x)\n"),
    ("else if", "if a:\n    pass\nelse if b:\n    pass\n", "if a:\n    pass\nelif b:\n    pass\n"),
    ("increment", "count = 0\ncount++\n", "count = 0\ncount += 1\n"),
    ("c operators", "if a && b || c:\n    pass\n", "if a and b or c:\n    pass\n"),
    ("slash comment", "// first\nx = 1\n// second\n", "# // first\nx = 1\n# // second\n"),
    ("no slash comment", "x = (r//256, g//256) str(y)\n", "x = (r//256, g//256), str(y)\n"),
    ("late slash comment", "x = 1 // the first\ny = 2\n", "x = 1 # // the first\ny = 2\n"),
    ("short in", "for a n b.items():\n    g(a)\n", "for a in b.items():\n    g(a)\n"),
    ("two assignments", "a = f(1) b = g(2)\n", "a = f(1)\nb = g(2)\n"),
    ("continuation", "x = 1 + \\ \n    2\n", "x = 1 + \\\n    2\n"),
    # strings
    ("missing quote", "x = f('abc)\n", "x = f('abc')\n"),
    ("missing quote in list", "x = ['a', 'b, 'c']\n", "x = ['a', 'b', 'c']\n"),
    ("missing opening quote", "x = hasattr(thing, indent')\n", "x = hasattr(thing, 'indent')\n"),
    ("apostrophe", "x = 'Malya's world'\n", "x = 'Malya\\'s world'\n"),
    ("lone backslash", "path = '\\'\n", "path = '\\\\'\n"),
    ("nested f-string", "x = f'{a['b']}'\n", "x = f'{a[\"b\"]}'\n"),
    # indentation
    ("over", "def f():\n    a = 1\n      b = 2\n    return a\n", "def f():\n    a = 1\n    b = 2\n    return a\n"),
    ("under", "def f():\n    a = 1\n  b = 2\n    return a\n", "def f():\n    a = 1\n    b = 2\n    return a\n"),
    ("tab", "def f():\n    if a:\n\treturn b\n    return a\n", "def f():\n    if a:\n        return b\n    return a\n"),
    ("body",
     "for a in b:\n    if a:\n    continue\n    f(a)\n",
     "for a in b:\n    if a:\n        continue\n    f(a)\n"),
    ("empty body", "def f():\n\ndef g():\n    return 1\n", "def f():\n    pass\n\ndef g():\n    return 1\n"),
    ("heading", " Script Name : fileinfo.py\nimport os\n", "# Script Name : fileinfo.py\nimport os\n"),
    # statements
    ("except", "try:\n    f()\ng()\n", "try:\n    f()\nexcept Exception:\n    raise\ng()\n"),
    ("future", "import os\nfrom __future__ import annotations\n", "from __future__ import annotations\nimport os\n"),
    ("repeated argument", "f(a=1, b=2, a=1)\n", "f(a=1, b=2)\n"),
    ("argument order", "f(a=1, b)\n", "f(b, a=1)\n"),
    ("await", "def f():\n    await g()\n", "async def f():\n    await g()\n"),
    ("async name", "f(async=True)\n", "f(async_=True)\n"),
    ("same conflict", "<<<<<<< HEAD\nx = 1\n=======\nx = 1\n>>>>>>> b\n", "x = 1\n"),
    ("conflict", "<<<<<<< HEAD\nx = a\n=======\nx = 2\n>>>>>>> b\n", "x = 2\n"),
    # idioms
    ("guard", "x = 1\nif _name__ = '__main__'\n    x()\n", "x = 1\nif __name__ == '__main__':\n    x()\n"),
    ("two imports", "import os.path import join\n", "from os.path import join\n"),
    ("dash in a module", "import json-rpc\n", "import json_rpc\n"),
    ("doubled phrase", "if not if not a:\n    b()\n", "if not a:\n    b()\n"),
    ("old constant", "a = constants.True\nb = constants.False\n", "a = True\nb = False\n"),
    ("return below", "def f():\n    return\n        {\n        'a': 1}\n", "def f():\n    return {\n        'a': 1}\n"),
    ("or at the end", "if f(a) or\n   f(b):\n    c()\n", "if f(a) or \\\n   f(b):\n    c()\n"),
    ("path", "p = 'C:\\Users\\new'\n", "p = r'C:\\Users\\new'\n"),
    ("escape", "p = 'a\\user\\n'\n", "p = 'a\\\\user\\n'\n"),
    ("no if", "def f(a):\n    a == 3:\n        g()\n    else:\n        h()\n",
     "def f(a):\n    if a == 3:\n        g()\n    else:\n        h()\n"),
    ("close above a def", "x = g([\n    1,\n]\n\ndef f(a):\n    return a\n\ny = h(2\n",
     "x = g([\n    1,\n])\n\ndef f(a):\n    return a\n\ny = h(2)\n"),
    ("comment tells", "def f(a):\n    for b in a:\n        g(b)\n    # and then\n     h(a)\n",
     "def f(a):\n    for b in a:\n        g(b)\n    # and then\n    h(a)\n"),
    ("repeated else", "if a:\n    b()\nelse:\n    c()\nelse:\n    c()\n", "if a:\n    b()\nelse:\n    c()\n"),
    # Python 2
    ("print", "print 'a', b\n", "print('a', b)\n"),
    ("print >>", "print >>sys.stderr, 'a'\nprint 'b'\n", "print('a', file=sys.stderr)\nprint('b')\n"),
    ("print ,", "print a,\n", "print(a, end=' ')\n"),
    ("except ,", "try:\n    f()\nexcept OSError, e:\n    g(e)\n", "try:\n    f()\nexcept OSError as e:\n    g(e)\n"),
    ("print a call", "print str(a['b'])  # c\nprint str(d)\n", "print(str(a['b']))  # c\nprint(str(d))\n"),
    ("raise ,", "print 1\nraise ValueError, 'x'\n", "print(1)\nraise ValueError('x')\n"),
    ("backticks", "print `a`\n", "print(repr(a))\n"),
    ("<>", "if a <> b:\n    print c\n", "if a != b:\n    print(c)\n"),
    ("octal", "mode = 0755\nprint mode\n", "mode = 0o755\nprint(mode)\n"),
    ("long", "x = 20L\n", "x = 20\n"),
    ("exec", "exec code in ns\nprint 1\n", "exec(code, ns)\nprint(1)\n"),
    # two at once
    ("two",
     "def f(a:\n    return a\n\nfor i in range(3)\n    f(i)\n",
     "def f(a):\n    return a\n\nfor i in range(3):\n    f(i)\n"),
]  # fmt: skip


@pytest.mark.parametrize(("broken", "mended"), [pytest.param(*case[1:], id=case[0]) for case in CASES])
def test_mends_as_a_person_would(broken: str, mended: str | None) -> None:
    found = repair(broken.encode())
    assert found.errors
    if mended is None:
        assert found.fixed is None or b"\xe2\x80\x9c\xe2\x80\x9d\xc2\xa0" in found.fixed  # the string keeps its quotes
        return
    assert found.fixed is not None
    assert found.fixed.decode() == mended or ast.dump(ast.parse(found.fixed)) == ast.dump(ast.parse(mended.encode()))
    assert found.state in ("fixed", "suggested")
    assert found.edits >= 1


TRUNCATED = [
    "import os\n\ndef f(a, b):\n    return os.path.join(a, (b +",
    "import os\n\nclass A:\n    def f(self):\n        try:\n            x = [1, 2,",
    'import os\n\nx = os.sep\n\ndef f():\n    """Says',
    "import os\n\nx = os.sep\nif x",
    "import os\n\nx = os.sep\nfor a in (1, 2):\n    if a:",
]


@pytest.mark.parametrize("text", TRUNCATED)
def test_a_truncated_tail_is_closed_and_what_is_before_it_kept(text: str) -> None:
    found = repair(text.encode())
    assert found.fixed is not None
    compile(found.fixed, "<mended>", "exec")
    assert found.fixed.startswith(b"import os\n")
