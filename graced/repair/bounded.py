"""Source that is too large or too deep to be compiled here is looked at in a child with limits on memory and time."""

import os
import signal
import subprocess
import sys

import msgspec

from graced.repair import Repair
from graced.repair.check import Fault

MEMORY_BYTES = 180 * 1024 * 1024
"""The child's address space (RLIMIT_AS), its interpreter included."""
CHECK_S = 2.0
"""Seconds for a check alone."""
MAX_INPUT_BYTES = 16 * 1024 * 1024
"""Larger source is not even handed to the child."""


class Request(msgspec.Struct):
    """What the child reads on its standard input (MessagePack). `mend` False: only check."""

    source: bytes
    mend: bool
    filename: str
    python: tuple[int, int] | None
    min_confidence: float
    budget_s: float
    past: tuple[str, ...] = ()


class Answer(msgspec.Struct):
    fault: Fault | None = None
    repair: Repair | None = None


def _asked(request: Request) -> Answer | str:
    """The child's answer, or why there is none."""
    if len(request.source) > MAX_INPUT_BYTES:
        return f"larger than {MAX_INPUT_BYTES} bytes: not checked"
    child = subprocess.Popen(
        [sys.executable, "-P", "-c", "from graced.repair.bounded import serve; serve()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=_environment(),
    )  # fmt: skip
    try:
        out, _ = child.communicate(msgspec.msgpack.encode(request), timeout=request.budget_s)
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGKILL)
        child.communicate()
        return f"not decided within {request.budget_s:.1f} s"
    if child.returncode or not out:
        return f"cannot be compiled within {MEMORY_BYTES >> 20} MiB and the interpreter's depth"
    return msgspec.msgpack.decode(out, type=Answer)


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "PYTHONWARNINGS": "ignore"}


def fault_of_wild(source: bytes, budget_s: float = CHECK_S) -> Fault | None:
    """`fault_of` for source that is not tame."""
    answer = _asked(Request(source, False, "<file>", None, 0.5, budget_s))
    return Fault("SyntaxError", answer, 1, 0, 1, 0) if isinstance(answer, str) else answer.fault


def mend_wild(
    source: bytes, filename: str, python: tuple[int, int] | None, min_confidence: float, budget_s: float,
    past: tuple[str, ...] = (),
) -> Repair | None:  # fmt: skip
    """The repair of source that is not tame, or None if it did not come about within the limits."""
    answer = _asked(Request(source, True, filename, python, min_confidence, budget_s, past))
    return None if isinstance(answer, str) else answer.repair


def serve() -> None:
    """The child: one request in, one answer out, under limits."""
    import resource
    import time

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    request = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Request)
    if request.mend:
        from graced.repair.engine import mend_tame

        deadline = time.monotonic() + request.budget_s * 0.6
        found = mend_tame(
            request.source, request.filename, request.python, request.min_confidence, deadline, request.past
        )
        answer = Answer(repair=found)
    else:
        from graced.repair.check import fault_of

        answer = Answer(fault=fault_of(request.source, filename=request.filename))
    sys.stdout.buffer.write(msgspec.msgpack.encode(answer))
