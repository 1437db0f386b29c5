"""What a command tells a person instead of a result."""

from collections.abc import Iterable
from typing import Final

from graced.status.structs import Status

EX_FAILED: Final = 1
EX_USAGE: Final = 2
EX_NOTHING_RUNS: Final = 3
EX_NO_SUCH_NAME: Final = 4
EX_DATAERR: Final = 65
EX_TEMPFAIL: Final = 75
EX_CONFIG: Final = 78
EX_INTERRUPTED: Final = 130


class Refusal(Exception):
    """One line for people, with what to do where that is known. `code`: the exit code of the command."""

    def __init__(self, text: str, code: int = EX_FAILED) -> None:
        super().__init__(text)
        self.code = code


def unknown(what: str, name: str, known: Iterable[str]) -> Refusal:
    """The refusal of a name that nothing has, with the nearest name that something has."""
    from graced.yaml_source.problem import clip, nearest  # a rare path

    hint = nearest(name, known)
    return Refusal(f"no {what} is called {clip(name)}" + (f"; {hint}" if hint else ""), EX_NO_SUCH_NAME)


def not_running(root: str) -> Refusal:
    return Refusal(f"graced is not running in {root}; start it with `graced start`", EX_NOTHING_RUNS)


def about(error: OSError, doing: str) -> Refusal:
    """An error of the operating system as one line."""
    where = f": {error.filename}" if error.filename and str(error.filename) not in doing else ""
    return Refusal(f"{doing}: {error.strerror or error}{where}")


def exit_code(status: Status) -> int:
    """What a command that shows the status exits with: 0 healthy, 1 not, 3 nothing runs."""
    if status.mode == "stopped":
        return EX_NOTHING_RUNS
    return 0 if status.healthy else EX_FAILED


class Mistakes(Refusal):
    """Mistakes in a file: each line of the text is FILE:LINE:COLUMN: what is wrong."""

    def __init__(self, error: Exception, code: int = EX_CONFIG) -> None:
        super().__init__(str(error), code)
