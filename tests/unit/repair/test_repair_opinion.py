"""A second opinion: agreement raises what is only suggested, disagreement lowers it, laws stay."""

from graced.repair import repair
from graced.repair.opinion import weighed

BROKEN = b"import os\n\nx = os.path.join(a b)\nprint(x)\n"
SAME = b"import os\n\nx = os.path.join(a, b)  # mended\nprint(x)\n"


def test_who_makes_the_same_program_of_it_raises_the_confidence() -> None:
    found = repair(BROKEN, min_confidence=0.985)
    assert found.state == "suggested"
    surer = weighed(found, SAME, 0.985)
    assert surer.confidence > found.confidence
    assert weighed(found, SAME, surer.confidence).state == "fixed"


def test_who_makes_another_lowers_it() -> None:
    found = repair(BROKEN, min_confidence=0.985)
    less = weighed(found, SAME.replace(b"(a, b)", b"(a + b)"), 0.985)
    assert less.state == "suggested"
    assert less.confidence < found.confidence


def test_an_answer_that_does_not_compile_says_nothing() -> None:
    found = repair(BROKEN, min_confidence=0.985)
    assert weighed(found, b"x = (", 0.985) == found


def test_a_law_holds_whoever_agrees() -> None:
    found = repair(b"<<<<<<< HEAD\nHOST = 'a'\n=======\nHOST = 'b'\n>>>>>>> main\n")
    assert found.law == "conflict"
    assert found.fixed is not None
    assert weighed(found, found.fixed, 0.0).state == "suggested"


def test_the_next_best_reading_is_there_to_choose() -> None:
    found = repair(b"<<<<<<< HEAD\nHOST = 'a'\n=======\nHOST = 'b'\n>>>>>>> main\n")
    closing = repair(b"x = f(a, g(b, c)\nprint(x)\n")
    assert closing.other is not None
    assert closing.other != closing.fixed
    compile(closing.other, "<other>", "exec")
    assert found.other != found.fixed
