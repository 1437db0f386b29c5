"""No input, however nasty, takes more than 5 s or 200 MiB. Each runs in a process of its own, so that both are seen."""

import random
import subprocess
import sys
from collections.abc import Callable

import pytest

LIMIT_S = 5.0
LIMIT_MIB = 200
SLOW_MACHINE_S = 15.0
"""Allowed on top: the machine may run other tests, and the interpreter has to start."""

_CHILD = """
import resource, sys, time
from graced.repair import compiles, repair, simple_repairs
source = sys.stdin.buffer.read()
begun = time.monotonic()
found = repair(source, budget_s=float(sys.argv[1]))
took = time.monotonic() - begun
compiles(source), simple_repairs(source)
if found.state in ("fixed", "suggested"):
    assert found.fixed is not None and compiles(found.fixed) is None
# Not ru_maxrss of this process: that is inherited over exec from whoever ran the test.
own = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM:"))
peak = max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024
print(found.state, took, peak)
"""


def _letters(alphabet: bytes, size: int) -> bytes:
    return bytes(random.Random(7).choices(alphabet, k=size))


NASTY: dict[str, Callable[[], bytes]] = {
    "open brackets": lambda: b"(" * 50_000,
    "open brackets on lines": lambda: b"(\n" * 50_000,
    "closing brackets": lambda: b")" * 50_000,
    "5 MB on one line": lambda: b"x = 1 + " * (5 * 1024 * 128),
    "5 MB name": lambda: b"a" * (5 << 20),
    "5 MB of quotes": lambda: b"'" * (5 << 20),
    "a list of 500,000": lambda: b"[" + b"1," * 500_000,
    "a long list, wrongly closed": lambda: b"x=[" + b"1,\n" * 66_000 + b")",
    "deep blocks": lambda: b"".join(b" " * i + b"if x:\n" for i in range(600)),
    "deep functions": lambda: b"".join(b"    " * i + b"def f():\n" for i in range(60)) + b"x(",
    "random bytes": lambda: random.Random(3).randbytes(100_000),
    "a megabyte of random bytes": lambda: random.Random(4).randbytes(1_000_000),
    "random characters": lambda: _letters(b"abc ()[]{}:=,'\"\n\t#\\1", 100_000),
    "NULs": lambda: b"\0" * 1_000_000,
    "unary": lambda: b"-" * 100_000 + b"1",
    "not": lambda: b"not " * 50_000 + b"x",
    "lambda": lambda: b"lambda:" * 30_000 + b"x",
    "attributes": lambda: b"x" + b".a" * 100_000,
    "elif": lambda: b"if a:\n  pass\n" + b"elif b:\n  pass\n" * 12_000 + b"else\n  pass\n",
    "many faults": lambda: b'print "hello"\nx = = 1\nfor i in range(3)\n    pass\nfoo(1 2\n' * 400,
    "unterminated strings": lambda: b"x = 'abc\n" * 5000,
    "triple quotes": lambda: b'"""\n' * 20_001,
    "backslashes": lambda: b"'\\\n" * 300_000,
    "conflicts": lambda: b"<<<<<<< a\nx = 1\n=======\nx = 2\n>>>>>>> b\n" * 3000,
    "smart quotes": lambda: "‘".encode() * 50_000,
    "tabs": lambda: b"\t" * 200_000 + b"x",
    "f-strings": lambda: b'f"' + b'{f"' * 2000,
    "words": lambda: (b"a b c d e f g " * 500 + b"\n") * 30,
    "carriage returns": lambda: b"x = (\r" * 3000,
    "UTF-32": lambda: b"\xff\xfe\0\0" + random.Random(5).randbytes(1000),
}


def _run(source: bytes, budget_s: float) -> tuple[str, float, float]:
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(budget_s)], input=source, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    state, took, peak = done.stdout.split()
    return state.decode(), float(took), float(peak)


@pytest.mark.parametrize("name", NASTY)
def test_nasty_input_stays_within_a_small_budget(name: str) -> None:
    _, took, peak = _run(NASTY[name](), 1.0)
    assert took < 1.0 + SLOW_MACHINE_S
    assert peak < LIMIT_MIB


@pytest.mark.slow
@pytest.mark.parametrize("name", NASTY)
def test_nasty_input_stays_within_the_limits(name: str) -> None:
    _, took, peak = _run(NASTY[name](), LIMIT_S)
    assert took < LIMIT_S + SLOW_MACHINE_S
    assert peak < LIMIT_MIB
