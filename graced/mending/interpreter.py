"""Does source compile, for graced's own Python or for another that is asked in a process of its own."""

import contextlib
import os
import select
import struct
import sys
import warnings
from typing import TYPE_CHECKING, Final

from graced.posix.clock import monotonic

if TYPE_CHECKING:
    from graced.spec.config import Watch

ANSWER_S: Final = 10.0
START_S: Final = 20.0
MESSAGE_MAX_BYTES: Final = 4 * 1024 * 1024

_SERVER: Final = r"""
import re, sys, struct, warnings
warnings.simplefilter("ignore")
read, out = getattr(sys.stdin, "buffer", sys.stdin), getattr(sys.stdout, "buffer", sys.stdout)
def say(data):
    out.write(struct.pack(">I", len(data)) + data)
    out.flush()
say(("%d %d" % sys.version_info[:2]).encode("ascii"))
default = "ascii" if sys.version_info[0] == 2 else "utf-8"
cookie = re.compile(br"^[ \t\f]*#.*?coding[:=][ \t]*[-\w.]+")
blank = re.compile(br"^[ \t\f]*(?:[#\r\n]|$)")
def refused(source):
    try:
        source.decode(default)
    except UnicodeDecodeError:
        first, _, rest = source.partition(b"\n")
        second = rest.partition(b"\n")[0]
        known = cookie.match(first) or (blank.match(first) and cookie.match(second))
        if not known and not source.startswith(b"\xef\xbb\xbf"):
            line = source.count(b"\n", 0, sys.exc_info()[1].start) + 1
            return "SyntaxError: bytes that are not %s, but no encoding declared (line %d)" % (default.upper(), line)
    return ""
while True:
    head = read.read(4)
    if len(head) < 4:
        break
    source = read.read(struct.unpack(">I", head)[0])
    try:
        compile(source, "<file>", "exec", 0, 1)
        said = refused(source)
    except SyntaxError:
        error = sys.exc_info()[1]
        said = "%s: %s (line %d)" % (type(error).__name__, error.msg or "invalid syntax", error.lineno or 1)
    except Exception:
        error = sys.exc_info()[1]
        said = "%s: %s" % (type(error).__name__, error)
    say(said.encode("utf-8", "replace"))
"""


SMALL_BYTES: Final = 384 * 1024
LINE_BYTES: Final = 8000
DEPTH: Final = 60
LEFT_OVER: Final = 20
RUN: Final = 300

_BRACKETS: Final = b"()[]{}"
_NO_BRACKET: Final = bytes(set(range(256)) - set(_BRACKETS))
_PREFIXES: Final = bytes(b"-"[0] if c in b"-+~([{" else c for c in range(256))


def own_error(source: bytes) -> str | None:
    """What this very Python says against `source`. A file that is plainly harmless is compiled at once."""
    if _harmless(source):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                compile(source, "<file>", "exec", dont_inherit=True)
                if source.isascii() and b"coding" not in source:  # else its bytes may be refused all the same
                    return None
        except Exception:  # whatever it is, the engine has words for it
            pass
    from graced.repair import compiles

    return compiles(source)


def _harmless(source: bytes) -> bool:
    """Neither large nor deep, so that compiling it cannot hurt this process: seen by counting, at the speed of C.

    Strings and comments are not told apart; whatever looks deep is left to the engine, which is careful and slower.
    """
    if len(source) > SMALL_BYTES or (len(source) > LINE_BYTES and max(map(len, source.split(b"\n"))) > LINE_BYTES):
        return False
    left = source.translate(None, _NO_BRACKET)
    for _ in range(DEPTH):  # each round takes the innermost pairs away
        if len(left) <= LEFT_OVER:
            break
        left = left.replace(b"()", b"").replace(b"[]", b"").replace(b"{}", b"")
    if len(left) > LEFT_OVER:
        return False
    # Prefix operators in a row, one C frame of the parser or more each; a superset: `cannot` counts as well.
    words = source.replace(b"not", b"-").replace(b"lambda", b"-").replace(b"await", b"-")
    return b"-" * RUN not in words.translate(_PREFIXES, b" \t\r\n\f\\:")


class Unusable(Exception):
    """The interpreter cannot be asked; the text says why."""


class Checker:
    """Asks whether source compiles. `python` None: in this process, else that interpreter (any from 2.7 on)."""

    def __init__(self, python: str | None = None) -> None:
        self.python = python
        self.version: tuple[int, int] = sys.version_info[:2]
        self._peer: _Peer | None = None
        if python is not None and os.path.realpath(python) != os.path.realpath(sys.executable):
            self._peer = _Peer(python)
            self.version = self._peer.version
            if self.version == sys.version_info[:2]:  # the same grammar: no need to ask another process
                self.close()

    @property
    def foreign(self) -> bool:
        """It is another version than graced's own that decides."""
        return self._peer is not None

    def error(self, source: bytes) -> str | None:
        """What the interpreter says against `source`; None when it compiles. Raises Unusable."""
        if self._peer is None:
            return own_error(source)
        if len(source) > MESSAGE_MAX_BYTES:
            return f"SyntaxError: larger than {MESSAGE_MAX_BYTES} bytes: not checked"
        try:
            return self._peer.ask(source) or None
        except OSError:  # this very source ended it: with a new one, the next file is asked about as ever
            with contextlib.suppress(Unusable):
                self._peer = _Peer(self.python or "")
            return f"SyntaxError: {self.python} ended, or gave no answer within {ANSWER_S:g} s, over this file"

    def close(self) -> None:
        if self._peer is not None:
            self._peer.close()
            self._peer = None


class _Peer:
    """One interpreter that compiles what it is sent and runs none of it."""

    def __init__(self, python: str) -> None:
        import subprocess

        flags = ["-I", "-S", "-B"]
        for attempt in (flags, ["-E", "-s", "-S", "-B"]):  # Python 2 knows no -I
            try:
                self._process = subprocess.Popen(
                    [python, *attempt, "-c", _SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL, bufsize=0,
                )  # fmt: skip
            except OSError as error:
                raise Unusable(f"{python}: {error.strerror or error}") from None
            try:
                words = self._receive(monotonic() + START_S).split()
                self.version = (int(words[0]), int(words[1]))
                return
            except (OSError, ValueError, IndexError):
                self.close()
        raise Unusable(f"{python} is no Python interpreter")

    def ask(self, source: bytes) -> str:
        assert self._process.stdin is not None
        deadline = monotonic() + ANSWER_S
        data = memoryview(struct.pack(">I", len(source)) + source)
        while data:
            data = data[self._process.stdin.write(data) or 0 :]
        return self._receive(deadline).decode("utf-8", "replace")

    def _receive(self, deadline: float) -> bytes:
        return self._exactly(struct.unpack(">I", self._exactly(4, deadline))[0], deadline)

    def _exactly(self, count: int, deadline: float) -> bytes:
        assert self._process.stdout is not None
        fd, data = self._process.stdout.fileno(), b""
        while len(data) < count:
            ready, _, _ = select.select([fd], [], [], max(0.0, deadline - monotonic()))
            if not ready:
                raise TimeoutError("no answer")
            part = os.read(fd, count - len(data))
            if not part:
                raise BrokenPipeError("it ended")
            data += part
        return data

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def python_of(path: str, watch: "tuple[Watch, ...]", kernels: "tuple[Watch, ...]" = ()) -> str | None:
    """The interpreter that a file must compile for: that of the innermost watched path it is under, where it names
    one; else, by `kernels`, the one that runs it. None: graced's own."""
    return _innermost(path, watch) or _innermost(path, kernels)


def _innermost(path: str, roots: "tuple[Watch, ...]") -> str | None:
    inside = [w for w in roots if path == w.path or path.startswith(w.path.rstrip("/") + "/")]
    return max(inside, key=lambda w: len(w.path)).python if inside else None
