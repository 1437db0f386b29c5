"""What graced leaves to others: by its mark, its Python, its place, its maker."""

import subprocess
import sys
from pathlib import Path

import pytest

from graced.mending.excluded import is_excluded
from graced.mending.generated import made_from
from graced.mending.hands_off import reason
from graced.mending.interpreter import Checker
from graced.mending.meant_for import least_of, meant_for
from graced.mending.not_ours import is_bought_in, is_fixture_folder
from graced.mending.propose import Given, propose
from graced.mending.walk import sources
from graced.spec.config import CodingAgent, Config, Watch

BROKEN = b"def f(a)\n    return a\n"
OURS = sys.version_info[:2]
NEWER = f"{OURS[0]}.{OURS[1] + 2}"


def put(path: Path, data: bytes | str = BROKEN) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return str(path)


def state(path: str, source: bytes, given: Given = Given()) -> str:  # noqa: B008
    return propose(path, source, Checker(), 0.05, None, given).state


# --- the mark


@pytest.mark.parametrize("mark", [b"# graced: off\n", b"    #graced:off -- on purpose\n", b"x = 1\n# graced:  off\n"])
def test_a_file_that_says_so_is_left_alone(tmp_path: Path, mark: bytes) -> None:
    found = propose(put(tmp_path / "a.py"), mark + BROKEN, Checker(), 0.0)
    assert (found.state, found.after) == ("not_fixed", None)
    assert "graced: off" in found.why


def test_other_words_are_no_such_mark(tmp_path: Path) -> None:
    for line in (b"# graced: official\n", b"x = 'see # graced: off'\n", b"# not graced: off\n"):
        assert state(put(tmp_path / "a.py"), line + BROKEN) == "fixed"


# --- the Python it is for


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".python-version", f"# pyenv\n{NEWER}.1\n"),
        (".python-version", "2.7.18\n"),
        ("pyproject.toml", f'[project]\nname = "x"\nrequires-python = ">={NEWER}"\n'),
        ("pyproject.toml", f'[tool.poetry.dependencies]\npython = "^{NEWER}"\n'),
        ("setup.cfg", f"[options]\npython_requires = >={NEWER}\n"),
        ("setup.py", f"setup(python_requires='>={NEWER}')\n"),
        ("setup.py", "setup(python_requires='>=2.7,<3')\n"),
        ("setup.py", "setup(classifiers=['Programming Language :: Python :: 2'])\n"),
    ],
)
def test_a_project_for_another_python_is_not_judged_by_ours(tmp_path: Path, name: str, text: str) -> None:
    put(tmp_path / name, text)
    path = put(tmp_path / "src" / "a.py")
    found = propose(path, BROKEN, Checker(), 0.0)
    assert (found.state, found.after) == ("not_fixed", None)
    assert name in found.why
    assert "coding_agent.watch" in found.why
    assert reason(path, BROKEN, named_python=True) is None  # a person knows better


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".python-version", "3.8\n"),
        (".python-version", "system\n"),
        ("pyproject.toml", '[project]\nrequires-python = ">=3.8,<4"\n'),
        ("pyproject.toml", "this is [ no TOML"),
        (
            "setup.py",
            "setup(classifiers=['Programming Language :: Python :: 2', 'Programming Language :: Python :: 3'])\n",
        ),
    ],
)
def test_what_ours_can_judge_is_mended(tmp_path: Path, name: str, text: str) -> None:
    put(tmp_path / name, text)
    assert state(put(tmp_path / "a.py"), BROKEN) == "fixed"


def test_the_nearest_word_counts_and_none_from_outside_the_repository(tmp_path: Path) -> None:
    put(tmp_path / ".python-version", NEWER)
    path = put(tmp_path / "repo" / "sub" / "a.py")
    assert meant_for(path, BROKEN) is not None
    put(tmp_path / "repo" / "pyproject.toml", '[project]\nrequires-python = ">=3.6"\n')
    assert meant_for(path, BROKEN) is None
    (tmp_path / "repo" / "pyproject.toml").unlink()
    (tmp_path / "repo" / ".git").mkdir()
    assert meant_for(path, BROKEN) is None


@pytest.mark.parametrize(
    ("line", "mended"),
    [
        (b"#!/usr/bin/env python2\n", False),
        (b"#!/usr/bin/python2.7 -O\n", False),
        (f"#!/usr/bin/env python{NEWER}\n".encode(), False),
        (b"#!/usr/bin/env python3\n", True),
        (b"#!/usr/bin/python3.8\n", True),
        (b"#!/usr/bin/env python\n", True),
    ],
)
def test_a_first_line_that_asks_for_another_python_is_believed(tmp_path: Path, line: bytes, mended: bool) -> None:
    assert state(put(tmp_path / "tool.py"), line + BROKEN) == ("fixed" if mended else "not_fixed")


@pytest.mark.parametrize(
    ("specifier", "least"),
    [
        (">=3.9", (3, 9)), (">= 3.9, < 4", (3, 9)), ("^3.10", (3, 10)), ("~=3.8.1", (3, 8)), ("==3.12.*", (3, 12)),
        (">=2.7,!=3.0.*,!=3.1.*", (2, 7)), ("<3", (2, 7)), ("<4", None), ("", None), ("*", None), ("3.11", (3, 11)),
        ("^2.7 || ^3.6", (2, 7)), (">=3.13.0rc1", (3, 13)),
    ],
)  # fmt: skip
def test_the_least_python_of_a_specifier(specifier: str, least: tuple[int, int] | None) -> None:
    assert least_of(specifier) == least


# --- its place

WALKED = ("a.py", "src/b.py", "tests/test_a.py", "tests/support/c.py", "mytests/data/d.py")
PASSED_OVER = (
    ".venv/lib/x.py", "venv/x.py", "env/x.py", "node_modules/p/x.py", ".tox/x.py", ".nox/x.py", "build/x.py",
    "dist/x.py", "lib/site-packages/x.py", ".eggs/x.py", "__pycache__/x.py", "sub/build/lib/x.py", ".git/x.py",
    "tests/data/x.py", "tests/fixtures/invalid/x.py", "fixtures/x.py", "test/resources/x.py", "pkg/testdata/x.py",
    "pkg/test_data/x.py",
)  # fmt: skip


def test_a_walk_passes_over_what_was_installed_built_or_made_for_tests(tmp_path: Path) -> None:
    for name in (*WALKED, *PASSED_OVER):
        put(tmp_path / name)
    found = {str(Path(path).relative_to(tmp_path)) for path in sources((str(tmp_path),), only_ours=True)}
    assert found == set(WALKED)


def test_a_pattern_takes_back_in_and_a_named_root_is_meant(tmp_path: Path) -> None:
    for name in PASSED_OVER:
        put(tmp_path / name)
    taken = sources((str(tmp_path),), ("!build/", "!/tests/data/"), only_ours=True)
    assert {str(Path(path).relative_to(tmp_path)) for path in taken} == {
        "build/x.py", "sub/build/lib/x.py", "tests/data/x.py",
    }  # fmt: skip
    for root in ("build", ".venv", "tests/data"):
        assert list(sources((str(tmp_path / root),), only_ours=True)), root


def test_a_crash_over_such_a_file_does_not_make_it_ours() -> None:
    config = Config("/home", coding_agent=CodingAgent(watch=(Watch("/srv/app"),)), folder="/srv")
    assert is_excluded("/srv/app/.venv/lib/x.py", config, ())
    assert is_excluded("/srv/app/tests/data/x.py", config, ("/srv/app/tests",))
    assert not is_excluded("/srv/app/src/x.py", config, ())
    assert not is_excluded("/srv/app/build/x.py", config, ("/srv/app/build",))
    back = Config("/home", coding_agent=CodingAgent(watch=(Watch("/srv/app"),), exclude=("!build/",)), folder="/srv")
    assert not is_excluded("/srv/app/build/x.py", back, ())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (".venv/lib/x.py", "suggested"),
        ("tests/fixtures/x.py", "not_fixed"),
        ("bad_indent.py", "not_fixed"),
        ("tests/syntax_error.py", "not_fixed"),
    ],
)
def test_who_names_such_a_file_must_say_that_he_means_it(tmp_path: Path, name: str, said: str) -> None:
    path = put(tmp_path / "repo" / name)
    (tmp_path / "repo" / ".git").mkdir()
    assert state(path, BROKEN) == said
    assert state(path, BROKEN, Given(forced=True)) == "fixed"


def test_the_folders_above_a_project_say_nothing(tmp_path: Path) -> None:
    path = put(tmp_path / "tests" / "data" / "build" / "repo" / "a.py")
    (tmp_path / "tests" / "data" / "build" / "repo" / ".git").mkdir()
    assert state(path, BROKEN) == "fixed"


def test_data_below_tests_is_suggested_and_a_package_of_tests_mended(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    assert state(put(tmp_path / "tests" / "odd" / "x.py"), BROKEN) == "suggested"
    assert state(put(tmp_path / "tests" / "helping" / "x.py"), BROKEN) == "suggested"
    put(tmp_path / "tests" / "helping" / "__init__.py", b"")
    assert state(str(tmp_path / "tests" / "helping" / "x.py"), BROKEN) == "fixed"
    assert state(put(tmp_path / "tests" / "x.py"), BROKEN) == "fixed"


def test_what_compiled_before_is_not_broken_on_purpose(tmp_path: Path) -> None:
    path = put(tmp_path / "bad_luck.py", b"def f(a):\n    return a\n")
    for words in (("init", "-q"), ("add", "."), ("-c", "user.name=x", "-c", "user.email=x@y", "commit", "-qm", "x")):
        subprocess.run(["git", *words], cwd=tmp_path, check=True, timeout=60)
    put(tmp_path / "bad_luck.py")
    assert state(path, BROKEN) == "fixed"


def test_folders_of_others() -> None:
    assert is_fixture_folder("tests/data/cases")
    assert is_fixture_folder("crates/parser/resources/test/fixtures")
    assert not is_fixture_folder("src/data")
    assert not is_fixture_folder("tests")
    assert is_bought_in(["x", "site-packages", "y"])
    assert not is_bought_in(["x", "builder", "y"])


# --- its maker


@pytest.mark.parametrize(
    ("name", "beside"),
    [
        ("a.py", "a.py.in"),
        ("a.py", "a.py.j2"),
        ("a.py", "a.tmpl.py"),
        ("shop_pb2.py", "shop.proto"),
        ("shop_pb2_grpc.py", "../shop.proto"),
        ("ui_main.py", "main.ui"),
        ("CalcParser.py", "Calc.g4"),
    ],
)
def test_a_generated_file_gets_a_word_to_mend_its_source(tmp_path: Path, name: str, beside: str) -> None:
    path = put(tmp_path / "gen" / name)
    assert made_from(path) is None
    put((tmp_path / "gen" / beside).resolve(), b"")
    found = propose(path, BROKEN, Checker(), 0.05)
    assert found.state in ("suggested", "not_fixed")
    assert f"mend {Path(beside).name} instead" in found.why


def test_gitattributes_tell_what_is_generated(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    put(tmp_path / ".gitattributes", "# x\nsrc/gen/*.py linguist-generated=true text\n*.js linguist-generated\n")
    assert made_from(put(tmp_path / "src" / "gen" / "a.py")) is not None
    assert made_from(put(tmp_path / "src" / "a.py")) is None
