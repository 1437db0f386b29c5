"""What a back end says of a suggestion changes how sure it is, and nothing else does."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graced.mending.backend import CONFIDENCE, Asked
from graced.mending.interpreter import Checker
from graced.mending.propose import Proposal, propose
from graced.mending.restored import restored
from graced.mending.second_opinion import AGREES, DIFFERS, second_opinion, weighed
from graced.spec.config import Backend

SOURCE = b"import os\n\n\ndef f(a:\n    return a\n"
SUGGESTED = b"import os\n\n\ndef f(a):\n    return a\n"
DIFFERENT = b"import os\n\n\ndef f(a, b):\n    return a\n"
ERROR = "SyntaxError: '(' was never closed (line 4)"


def saying(folder: Path, answer: bytes) -> Asked:
    script = folder / "backend.py"
    script.write_text(f"import sys\nopen({str(folder / 'asked')!r}, 'w').write(sys.stdin.read())\n"
                      f"sys.stdout.write({answer.decode()!r})\n")  # fmt: skip
    return Asked(Backend(command=(sys.executable, str(script))), str(folder))


def suggestion(confidence: float = 0.7, by_law: bool = False) -> Proposal:
    return Proposal("suggested", (ERROR,), 1, confidence, 1.0, SUGGESTED, "not sure", ("missing_close",), None, by_law)


def asked(folder: Path, answer: bytes, found: Proposal, limit: float = 0.9) -> Proposal:
    return second_opinion("/src/a.py", SOURCE, found, Checker(), limit, saying(folder, answer))


def test_agreement_makes_it_surer_and_so_applied(tmp_path: Path) -> None:
    found = asked(tmp_path, b"import os\n\n\ndef f(a):  # mended\n    return a\n", suggestion())
    assert (found.state, found.after, found.why) == ("fixed", SUGGESTED, "")
    assert found.confidence == pytest.approx(weighed(0.7, AGREES))
    assert asked(tmp_path, SUGGESTED, suggestion(0.3)).state == "suggested"


def test_no_agreement_overrules_a_law(tmp_path: Path) -> None:
    found = asked(tmp_path, SUGGESTED, suggestion(by_law=True))
    assert (found.state, found.after) == ("suggested", SUGGESTED)
    assert "agrees" in found.why


def test_disagreement_makes_it_less_sure_and_shows_both(tmp_path: Path) -> None:
    found = asked(tmp_path, DIFFERENT, suggestion(0.85))
    assert (found.state, found.after, found.other) == ("suggested", SUGGESTED, DIFFERENT)
    assert found.confidence == pytest.approx(weighed(0.85, DIFFERS))
    found = asked(tmp_path, DIFFERENT, suggestion(0.5))
    assert (found.state, found.after, found.other) == ("suggested", DIFFERENT, SUGGESTED)
    assert found.confidence == CONFIDENCE


def test_an_answer_that_is_none_changes_nothing(tmp_path: Path) -> None:
    for answer in (b"", b"nonsense (", SOURCE):
        found = asked(tmp_path, answer, suggestion())
        assert (found.state, found.after) == ("suggested", SUGGESTED)


def test_nobody_is_asked_of_what_is_sure_or_left_alone(tmp_path: Path) -> None:
    backend = saying(tmp_path, SUGGESTED)
    assert propose(str(tmp_path / "a.py"), SOURCE, Checker(), 0.0, backend).state == "fixed"
    assert propose(str(tmp_path / "a.py"), b"# graced: off\n" + SOURCE, Checker(), 0.9, backend).state == "not_fixed"
    assert propose(str(tmp_path / "a.py"), b"x = 1\n", Checker(), 0.9, backend).state == "intact"
    assert not (tmp_path / "asked").exists()
    propose(str(tmp_path / "a.py"), SOURCE, Checker(), 1.0, backend)
    assert (tmp_path / "asked").exists()


@given(st.floats(0.01, 0.99))
def test_confidence_stays_a_probability(confidence: float) -> None:
    assert 0 < weighed(confidence, DIFFERS) < confidence < weighed(confidence, AGREES) < 1


# --- what stood there


PAST = "LIMITS = [\n    (1, 2),\n    (3, 4),\n]\n\n\ndef total():\n    return sum(a for a, _ in LIMITS)\n"


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        (PAST.replace("(3, 4),\n]", "(3, 4),\n"), PAST),
        (PAST.replace("total():", "total(:").replace("(1, 2)", "(1, 7)"), PAST.replace("(1, 2)", "(1, 7)")),
        ("x = 1\n" + PAST.replace("]\n", ")\n"), "x = 1\n" + PAST),
    ],
)
def test_what_changed_at_the_error_is_taken_back_and_no_more(broken: str, expected: str) -> None:
    assert restored(broken.encode(), [PAST], Checker()) == expected.encode()


def test_what_no_taking_back_helps_has_no_such_reading() -> None:
    assert restored(b"def f(:\n", ["def g(:\n"], Checker()) is None
    assert restored(b"def f(:\n", [], Checker()) is None
