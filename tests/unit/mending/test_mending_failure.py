"""What the end of a log tells."""

import pytest

from graced.mending.failure import failure_of, tail_of

RUNTIME = """\
started
Traceback (most recent call last):
  File "/app/main.py", line 3, in <module>
    import lib
  File "/app/lib.py", line 9, in f
    return {}["a"]
           ~~^^^^^
KeyError: 'a'
"""
SYNTAX = """\
Traceback (most recent call last):
  File "main.py", line 3, in <module>
    import settings
  File "<frozen importlib._bootstrap>", line 1176, in _find_and_load
  File "/app/settings.py", line 8
    return text
    ^^^^^^
IndentationError: expected 'except' or 'finally' block
"""


def test_a_runtime_error() -> None:
    found = failure_of(RUNTIME, "/app")
    assert (found.error, found.syntax, found.path) == ("KeyError: 'a'", False, "/app/lib.py")
    assert found.named == ("/app/main.py", "/app/lib.py")


def test_a_syntax_error_of_an_import_names_the_broken_file() -> None:
    found = failure_of(RUNTIME + SYNTAX, "/app")
    assert found.syntax
    assert found.path == "/app/settings.py"
    assert found.named == ("/app/main.py", "/app/settings.py")


def test_a_syntax_error_of_the_program_itself_has_no_header() -> None:
    found = failure_of('  File "run.py", line 1\n    def f(:\n          ^\nSyntaxError: invalid syntax\n', "/srv")
    assert (found.syntax, found.path) == (True, "/srv/run.py")


@pytest.mark.parametrize("log", ["", "all is well\n", "Error: no traceback\n", RUNTIME + "serving\n" * 100])
def test_no_failure_at_the_end(log: str) -> None:
    assert failure_of(log, "/") == failure_of("", "/")


def test_a_log_that_was_not_written_to_is_of_an_older_run(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "k.log"
    path.write_text(RUNTIME)
    at = path.stat().st_mtime
    assert tail_of(str(path), at - 1)[0] == RUNTIME
    assert tail_of(str(path), at + 1) == ("", at)
    assert tail_of(str(tmp_path / "none"), 0.0) == ("", 0.0)
