"""The optional back end: a command, or an OpenAI-compatible endpoint, asked where the engine has no good answer.

It gets one file, the error and the log, and answers with a unified diff or the whole file. What it says is a proposal
like any other: the same gates, and it can touch no file but the one it was asked about.
"""

import contextlib
import os
import signal
from typing import Any, Final

import msgspec
from msgspec import Struct

from graced.mending.lines import Lines, Unfit, lines_of
from graced.mending.patch import patched
from graced.posix.undecodable import UNDECODABLE
from graced.spec.config import Backend

TIMEOUT_S: Final = 60.0
ANSWER_MAX_BYTES: Final = 2 * 1024 * 1024
LOG_MAX_CHARS: Final = 16_000
CONFIDENCE: Final = 0.6
"""What an answer counts for that passed the gates: nobody measured it."""
KEPT_LEAST: Final = 0.5
"""The share of the file's lines that an answer must keep: a file that was emptied compiles as well."""

PROMPT: Final = (
    "You repair Python source files that do not compile. Make the smallest edit that a careful person would have made; "
    "change nothing else. Answer with the unified diff of the one file, or with the whole file, and no other words."
)


class Asked(Struct, frozen=True):
    """A back end and what it may need: where commands run, the log of the kernel that fell over the file."""

    backend: Backend
    folder: str = "/"
    log: str = ""
    timeout_s: float = TIMEOUT_S


def answered(asked: Asked, path: str, source: bytes, error: str, python: tuple[int, int]) -> tuple[bytes | None, str]:
    """(the file's new bytes, "") or (None, why there are none). Takes `timeout_s` at most; raises nothing."""
    lines = lines_of(source)
    question = {
        "path": path, "source": lines.text, "error": error,
        "log": asked.log[-LOG_MAX_CHARS:], "python": f"{python[0]}.{python[1]}",
    }  # fmt: skip
    try:
        answer = _command(asked, question) if asked.backend.command else _endpoint(asked, question)
        after = _applied(lines, answer, path)
    except (Unfit, OSError, ValueError) as problem:
        return None, f"the back end: {_words(problem)}"
    if after == source:
        return None, "the back end: its answer changes nothing"
    kept = len(set(source.splitlines()) & set(after.splitlines()))
    if kept < KEPT_LEAST * len(set(source.splitlines())):
        return None, "the back end: its answer keeps less than half of the file"
    return after, ""


def _words(problem: Exception) -> str:
    return (problem.strerror if isinstance(problem, OSError) and problem.strerror else str(problem)) or "no answer"


def _applied(source: Lines, answer: str, path: str) -> bytes:
    """A whole file or a diff, in a Markdown fence or not. Lines that it leaves as they are keep their bytes."""
    from graced.mending.gates import opcodes

    text = _unfenced(answer)
    if not text.strip():
        raise Unfit("its answer is empty")
    lines = text.splitlines()
    if any(line.startswith("@@ ") for line in lines) and any(line.startswith("--- ") for line in lines):
        return patched(source, text, path)
    new = [line.removesuffix("\r") for line in text.removeprefix("\ufeff").removesuffix("\n").split("\n")]
    plan: list[int | str] = []
    for tag, old_start, old_end, start, end in opcodes(source.texts, new):
        plan += range(old_start, old_end) if tag == "equal" else new[start:end]
    return source.woven(plan)


def _unfenced(text: str) -> str:
    lines = text.splitlines(keepends=True)
    fences = [i for i, line in enumerate(lines) if line.startswith("```")]
    return "".join(lines[fences[0] + 1 : fences[-1]]) if len(fences) >= 2 else text


# --- a command


def _command(asked: Asked, question: dict[str, str]) -> str:
    """Its standard output, at most ANSWER_MAX_BYTES of it. Raises Unfit, OSError."""
    import subprocess

    assert asked.backend.command is not None
    with _scratch() as out:
        process = subprocess.Popen(
            asked.backend.command, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.DEVNULL, cwd=asked.folder,
            start_new_session=True, preexec_fn=_bound_output,
        )  # fmt: skip
        try:
            process.communicate(msgspec.json.encode(question), timeout=asked.timeout_s)
        except subprocess.TimeoutExpired:
            raise Unfit(f"no answer within {asked.timeout_s:g} s") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.returncode:
            raise Unfit(f"its command ended with {process.returncode}")
        data = os.pread(out, ANSWER_MAX_BYTES + 1, 0)
    if len(data) > ANSWER_MAX_BYTES:
        raise Unfit(f"its answer is larger than {ANSWER_MAX_BYTES} bytes")
    return data.decode("utf-8", "replace")


def _bound_output() -> None:
    import resource

    from graced.mending.verify import end_with_parent

    end_with_parent()
    resource.setrlimit(resource.RLIMIT_FSIZE, (ANSWER_MAX_BYTES + 1, ANSWER_MAX_BYTES + 1))


@contextlib.contextmanager
def _scratch() -> Any:
    """A file without a name."""
    fd = os.memfd_create("answer", os.MFD_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


# --- an endpoint


def _endpoint(asked: Asked, question: dict[str, str]) -> str:
    """What the model says. Raises Unfit, OSError (urllib's errors are of it), ValueError for a URL that is none."""
    from urllib.request import Request, urlopen

    backend = asked.backend
    url = str(backend.url).rstrip("/")
    url = url if url.endswith("/completions") else f"{url}/chat/completions"
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if backend.key_env:
        key = os.environ.get(backend.key_env)
        if not key:
            raise Unfit(f"the environment has no {backend.key_env}")
        headers["Authorization"] = f"Bearer {key}"
    body = msgspec.json.encode(
        {
            "model": backend.model or "default",
            "temperature": 0,
            "messages": [
                {"role": "system", "content": PROMPT},
                {"role": "user", "content": msgspec.json.encode(question).decode()},
            ],
        }
    )
    _deadline(asked.timeout_s)
    try:
        with urlopen(Request(url, body, headers), timeout=asked.timeout_s) as response:
            data = response.read(ANSWER_MAX_BYTES + 1)
    finally:
        _deadline(0)
    if len(data) > ANSWER_MAX_BYTES:
        raise Unfit(f"its answer is larger than {ANSWER_MAX_BYTES} bytes")
    try:
        return str(msgspec.json.decode(data)["choices"][0]["message"]["content"])
    except (*UNDECODABLE, LookupError, TypeError):
        raise Unfit("its answer is no chat completion") from None


def _deadline(seconds: float) -> None:
    """The socket's timeout is for each read; a server that sends a byte a second is ended by this."""

    def late(*_: object) -> None:
        raise TimeoutError(110, f"no answer within {seconds:g} s")

    signal.signal(signal.SIGALRM, late if seconds else signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
