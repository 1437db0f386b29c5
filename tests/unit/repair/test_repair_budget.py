"""The search is limited by what it checks; the clock is a far backstop, past which nothing is fixed."""

import os
import random
import subprocess
import sys
import time

import pytest

from graced.repair import repair
from graced.repair.budget import Budget, OutOfTime

BROKEN = "def f(a, b:\n    retrun a +\n\nclass A\n    x = (1, 2\n    y = 'a\n" * 3


def test_the_same_on_a_machine_that_is_slower(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = repair(BROKEN.encode())
    real, late = time.monotonic, [0.0]
    rng = random.Random(3)

    def slower() -> float:
        late[0] += rng.random() * 0.002
        return real() + late[0]

    monkeypatch.setattr(time, "monotonic", slower)
    slow = repair(BROKEN.encode())
    assert (slow.state, slow.fixed, slow.confidence, slow.notes) == (
        quick.state,
        quick.fixed,
        quick.confidence,
        quick.notes,
    )


def test_past_the_clock_nothing_is_fixed() -> None:
    found = repair(BROKEN.encode(), budget_s=0.0)
    assert (found.state, found.fixed) == ("not_fixed", None)
    assert "gave up" in found.why


def test_the_budget_counts_what_is_compiled() -> None:
    budget = Budget(time.monotonic() + 60)
    assert not budget.spent
    budget.compiled(budget.chars)
    assert budget.spent
    with pytest.raises(OutOfTime):
        Budget(time.monotonic() - 1).compiled(1)


def test_the_same_in_every_process() -> None:
    code = "import sys; from graced.repair import repair; f = repair(sys.stdin.buffer.read())\n"
    code += "print(f.state, f.fixed, f.confidence, f.notes, f.why, f.law, f.other)"
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            input=BROKEN.encode(),
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(said) == 1
