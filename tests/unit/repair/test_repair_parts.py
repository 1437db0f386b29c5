"""The parts of the engine by themselves."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from graced.repair import ngram
from graced.repair.check import fault_of, is_mendable, is_tame
from graced.repair.conflict import candidates, undefined_names
from graced.repair.edits import applied, merged
from graced.repair.lex import Source, tokens_of, width_of
from graced.repair.words import near_keywords

ROOT = Path(__file__).resolve().parents[3]


def test_the_shipped_model_is_small_and_prefers_python() -> None:
    assert ngram.FILE.stat().st_size < 300_000
    model = ngram.load()

    def nats(text: str) -> float:
        ids = [model.id_of(key) for key in [ngram.BEGIN, ngram.BEGIN, *ngram.sequence(tokens_of(text), [0], text)]]
        return sum(model.cost(*ids[at - 2 : at + 1]) for at in range(2, len(ids))) / ngram.SCALE

    assert nats("if x:\n    return y\n") < nats("if : x\n    y return\n")


def test_a_model_comes_back_from_its_file() -> None:
    model = ngram.train(["def f(x):\n    return x\n", "def g(y):\n    return y\n"])
    assert ngram.dump(ngram.parse(ngram.dump(model))) == ngram.dump(model)
    with pytest.raises(ValueError, match="build_ngram"):
        ngram.parse(b"something else")


def test_edits_apply_from_left_to_right_without_overlap() -> None:
    assert applied("abcdef", merged([(4, 5, "E"), (0, 1, "A"), (0, 2, "x")])) == "AbcdEf"


def test_tabs_go_to_the_next_multiple_of_eight() -> None:
    assert [width_of(indent) for indent in ("", "    ", "\t", "  \t", "\t ")] == [0, 4, 8, 8, 9]


@pytest.mark.parametrize(
    ("word", "keyword"), [("improt", "import"), ("df", "def"), ("fi", "if"), ("whiel", "while"), ("Class", "class")]
)
def test_slips_of_keywords_are_known(word: str, keyword: str) -> None:
    assert keyword in [found for found, _ in near_keywords(word)]


def test_names_are_not_taken_for_keywords() -> None:
    assert [near_keywords(word) for word in ("self", "x", "result", "name")] == [()] * 4


def test_statements_know_their_lines() -> None:
    source = Source("x = [\n    1,\n]\nif x:\n    y = '''a\nb'''\nz = 1 \\\n    + 2\n")
    assert [line.logical for line in source.lines] == [True, False, False, True, True, False, True, False, False]
    assert source.logical_end(0) == 2
    assert source.levels(5) == [0, 4]


def test_a_lost_bracket_does_not_swallow_the_file() -> None:
    source = Source("x = foo(1\n\ndef f():\n    pass\n")
    assert source.lines[2].logical


def test_conflicts_with_a_base_and_crlf_are_resolved() -> None:
    text = "a\r\n<<<<<<< A\r\nb\r\n||||||| base\r\nc\r\n=======\r\nd\r\n>>>>>>> B\r\ne\r\n"
    assert [applied(text, way.edits) for way in candidates(text)] == [
        "a\r\nb\r\ne\r\n",
        "a\r\nd\r\ne\r\n",
        "a\r\nb\r\nd\r\ne\r\n",
    ]


def test_undefined_names_are_counted_scope_by_scope() -> None:
    assert undefined_names("import os\ndef f(a):\n    return os.sep + a\n") == 0
    assert undefined_names("def f(a):\n    return b + len(a)\n") == 1


def test_large_source_is_kept_out_of_this_process() -> None:
    assert is_tame(b"x = 1\n" * 1000)
    assert is_mendable(b"x = 1\n" * 1000)
    assert not is_tame(b"x = 1\n" * 200_000)
    assert not is_mendable(b"x = 1\n" * 30_000)
    assert not is_mendable(b"x" * 20_000 + b"\n")


def test_faults_have_usable_positions() -> None:
    for source in (b"x = (", b"\0", b"if x\n", b"return 1\n", b"# coding: nonsense\n", b"'\\N{x}'"):
        fault = fault_of(source)
        assert fault is not None
        assert fault.line >= 1
        assert fault.column >= 0


def test_importing_the_package_is_light() -> None:
    code = "import sys, graced.repair; print(*(name for name in sys.modules if name.startswith('graced.repair.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.strip() == b""


def test_made_pairs_are_repeatable_and_scored() -> None:
    seed = str(random.Random(11).randrange(1000))
    make = [sys.executable, str(ROOT / "scripts" / "make_pairs"), "--seed", seed, "--each", "1", "--kinds"]
    kinds = "missing_colon,missing_close,smart_quotes,python2_except"
    first = subprocess.run([*make, kinds], capture_output=True, check=True).stdout
    assert first == subprocess.run([*make, kinds], capture_output=True, check=True).stdout
    assert first.count(b"\n") == 4


def test_the_score_meets_a_floor(tmp_path: Path) -> None:
    make = [sys.executable, str(ROOT / "scripts" / "make_pairs"), "--seed", "5", "--each", "2", "--kinds"]
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_bytes(
        subprocess.run([*make, "missing_colon,bom_inside,wrong_close"], capture_output=True, check=True).stdout
    )
    score = [sys.executable, str(ROOT / "scripts" / "score_repair"), str(pairs), "--floor", "99:60"]
    done = subprocess.run(score, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode()
    assert b"missing_colon" in done.stdout
