"""What a newer Python would take is told from what none would."""

import time

import pytest

from graced.repair.newer import newer_syntax

OLD = (3, 11)


@pytest.mark.parametrize(
    "source",
    [
        "class A[T]:\n    pass\n",
        "class A[T: (int, str), *Ts, **P = [int]](Base):\n    pass\n",
        "async def f[T](a: T) -> T:\n    return a\n",
        "type X = int\n",
        "if a:\n    type Pair[A, B] = tuple[A, B]\n",
        'x = f"{d["k"]}"\n',
        'x = f"{d["k"]!r:>{w}} {f"{y}"}"\n',
        "x = f'{a + # why\n    b}'\n",
        "x = f\"{'\\n'.join(b)}\"\n",
        "try:\n    pass\nexcept ValueError, os.PathError:\n    pass\n",
        'x = t"{name}"\n',
        "x = (1\nclass A[T]:\n    pass\n",  # whatever else is wrong
    ],
)
def test_newer_syntax_is_told(source: str) -> None:
    assert newer_syntax(source.encode(), OLD) is not None
    assert newer_syntax(source.encode(), (3, 14)) is None


@pytest.mark.parametrize(
    "source",
    [
        "class A[:\n    pass\n",
        "def f[x):\n    pass\n",
        "def f[]():\n    pass\n",
        "type(x) = 1\n",
        'x = f"{d["\n',
        'x = f"{a" + b + "}"\n',
        'x = f"""{d["k"]}"""\n',
        "try:\n    pass\nexcept ValueError, e:\n    pass\n",
        "try:\n    pass\nexcept (A, B), E:\n    pass\n",
        "print('don't', 'a')\n",
        '"""\ntype X = int\n"""\n',
        "# class A[T]:\n",
    ],
)
def test_what_no_python_takes_is_not(source: str) -> None:
    assert newer_syntax(source.encode(), OLD) is None


@pytest.mark.parametrize("piece", ['f"{', "class A[", 'f"{a["', "f'''{", "except A,", 'f"{x:{', 'f"{a}" '])
def test_nasty_source_takes_no_time(piece: str) -> None:
    began = time.process_time()
    newer_syntax((piece * (200_000 // len(piece))).encode(), OLD)
    assert time.process_time() - began < 3
