"""The optional back end: what it is told, what it may answer, and how it is kept in bounds. All on this machine."""

import contextlib
import http.server
import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from graced.mending.backend import Asked, answered
from graced.mending.interpreter import Checker
from graced.mending.patch import unified
from graced.mending.propose import Proposal, propose
from graced.mending.second_opinion import second_opinion
from graced.spec.config import Backend

SOURCE = b"import os\n\n\ndef f(a):\n    return ((a\n\n\nX = 1\n"
FIXED = b"import os\n\n\ndef f(a):\n    return ((a))\n\n\nX = 1\n"
ERROR = "SyntaxError: '(' was never closed (line 12)"
NONSENSE = b"zz ) ( $ 3 ?? def\nqq )) ((\nw $\n"


def command(folder: Path, body: str, **keys: Any) -> Asked:
    script = folder / "backend.py"
    script.write_text(f"import json, sys, time\nasked = json.load(sys.stdin)\n{body}\n")
    return Asked(Backend(command=(sys.executable, str(script))), str(folder), **keys)


def ask(asked: Asked) -> tuple[bytes | None, str]:
    return answered(asked, "/src/a.py", SOURCE, "SyntaxError: '(' was never closed (line 5)", (3, 11))


def test_a_command_is_told_everything_and_may_answer_a_whole_file(tmp_path: Path) -> None:
    body = f"json.dump(asked, open({str(tmp_path / 'told')!r}, 'w')); print({FIXED.decode()!r}, end='')"
    assert ask(command(tmp_path, body, log="the log")) == (FIXED, "")
    told = json.loads((tmp_path / "told").read_text())
    assert told == {
        "path": "/src/a.py", "source": SOURCE.decode(), "error": "SyntaxError: '(' was never closed (line 5)",
        "log": "the log", "python": "3.11",
    }  # fmt: skip


def test_a_command_may_answer_a_diff(tmp_path: Path) -> None:
    diff = unified(SOURCE, FIXED, "a.py").decode()
    assert ask(command(tmp_path, f"print({diff!r}, end='')")) == (FIXED, "")


LATIN = b"# -*- coding: latin-1 -*-\r\nNAME = 'caf\xe9'\nOTHER = 'th\xe9'\r\ndef f(a:\n    return a\r\n\r\nX = 1"
LATIN_FIXED = LATIN.replace(b"f(a:", b"f(a):")


@pytest.mark.parametrize(
    "source", [LATIN, b"\xef\xbb\xbf" + LATIN.replace(b"latin-1", b"utf-8").replace(b"\xe9", b"\xc3\xa9")]
)
@pytest.mark.parametrize("newline", ["", "\r"])
def test_what_an_answer_leaves_as_it_is_keeps_its_bytes(tmp_path: Path, source: bytes, newline: str) -> None:
    body = f"print(asked['source'].replace('\\r', '').replace('\\n', {newline!r} + '\\n').replace('f(a:', 'f(a):'))"
    found, why = answered(command(tmp_path, body), "/src/a.py", source, "SyntaxError", (3, 11))
    assert (found, why) == (source.replace(b"f(a:", b"f(a):"), "")


def test_a_diff_speaks_of_the_file_as_its_encoding_has_it(tmp_path: Path) -> None:
    diff = unified(LATIN, LATIN_FIXED.replace(b"caf\xe9", b"na\xefve"), "a.py").decode("latin-1")
    found, _ = answered(command(tmp_path, f"print({diff!r}, end='')"), "/src/a.py", LATIN, "SyntaxError", (3, 11))
    assert found == LATIN_FIXED.replace(b"caf\xe9", b"na\xefve")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("caf\xe9", "caf\ufffd", "U+FFFD"),
        ("caf\xe9", "caf\u4e2d", "U+4E2D"),
        ("coding: latin-1", "coding: utf-8", "another encoding"),
    ],
)
def test_an_answer_that_the_encoding_of_the_file_cannot_hold_is_refused(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    asked = command(tmp_path, f"print(asked['source'].replace('f(a:', 'f(a):').replace({old!r}, {new!r}), end='')")
    found, why = answered(asked, "/src/a.py", LATIN, "SyntaxError", (3, 11))
    assert found is None
    assert said in why


def test_bytes_that_are_no_text_at_all_stay(tmp_path: Path) -> None:
    source = LATIN.replace(b"latin-1", b"utf-8")
    asked = command(
        tmp_path, "print(asked['source'].replace('f(a:', 'f(a):').replace('coding: utf-8', 'coding: cp1252'))"
    )
    found, _ = answered(asked, "/src/a.py", source, "SyntaxError", (3, 11))
    assert found == LATIN_FIXED.replace(b"latin-1", b"cp1252")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("sys.exit(3)", "ended with 3"),
        ("pass", "empty"),
        ("time.sleep(60)", "no answer within 0.5 s"),
        ("print('x' * 3_000_000)", "larger|ended with"),
        ("print(asked['source'], end='')", "changes nothing"),
        ("print('pass')", "less than half"),
        (f"print({unified(SOURCE, FIXED, 'other.py').decode()!r})", "another file"),
    ],
)
def test_what_is_refused(tmp_path: Path, body: str, said: str) -> None:
    began = time.monotonic()
    found, why = ask(command(tmp_path, body, timeout_s=0.5 if "sleep" in body else 20.0))
    assert found is None
    assert any(word in why for word in said.split("|")), why
    assert time.monotonic() - began < 20


def test_its_answer_goes_through_the_gates(tmp_path: Path) -> None:
    bad = NONSENSE + b"zz )\n"
    asked = command(tmp_path, f"print({bad.decode()!r}, end='')")
    found = propose("/src/a.py", NONSENSE, Checker(), 0.5, asked)
    assert found.state != "fixed"
    asked = command(tmp_path, f"print({NONSENSE.decode()!r}.replace('zz', 'aa = \"\"\"') + '\"\"\"')")
    found = propose("/src/a.py", NONSENSE, Checker(), 0.5, asked)
    assert found.state in ("fixed", "suggested")
    assert found.after is not None


BROKEN_CLASS = b"""\
import os

LIMIT = 3

class A:
    one = 1

    def f(self):
        return 1

    def g(self):
        x = (1
        return x

    def h(self):
        if self.one:
            return 2
        return 3


def far(a):
    if a > LIMIT:
        raise ValueError(a)
    return a
"""


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ("", "fixed"),
        (".replace('a > LIMIT', 'a > 0')", "suggested"),
        (".replace('        raise ValueError(a)', '        pass')", "suggested"),
        (".replace('LIMIT = 3', 'LIMIT = 4')", "suggested"),
        (".replace('        return 1', '        return 7')", "suggested"),
        (".replace('        if self.one:\\n            return 2\\n', '')", "suggested"),
        (".replace('return x', 'return x + 1')", "fixed"),
    ],
)
def test_what_was_not_broken_must_still_be_there(tmp_path: Path, change: str, state: str) -> None:
    asked = command(tmp_path, f"print(asked['source'].replace('(1', '(1)'){change}, end='')")
    found = second_opinion("/src/a.py", BROKEN_CLASS, Proposal("not_fixed", (ERROR,)), Checker(), 0.5, asked)
    assert found.state == state, found.why
    assert found.after is not None


# --- an endpoint


class Server(http.server.BaseHTTPRequestHandler):
    told: ClassVar[list[dict[str, Any]]] = []
    answer: Any = None

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).told.append({"path": self.path, "key": self.headers.get("Authorization"), "body": body})
        data = type(self).answer
        if isinstance(data, int):
            self.send_error(data)
            return
        self.send_response(200)
        self.end_headers()
        for part in data:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it was given up
                self.wfile.write(part)
            self.wfile.flush()
            if len(data) > 1:
                time.sleep(0.2)

    def log_message(self, *words: object) -> None:
        pass


def completion(text: str) -> list[bytes]:
    return [json.dumps({"choices": [{"message": {"content": text}}]}).encode()]


@pytest.fixture
def url() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    Server.told = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def test_an_endpoint(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_KEY", "s3cret")
    Server.answer = completion(f"```python\n{FIXED.decode()}```\n")
    asked = Asked(Backend(url=url, model="small", key_env="THE_KEY"))
    assert ask(asked) == (FIXED, "")
    told = Server.told[0]
    assert told["path"] == "/v1/chat/completions"
    assert told["key"] == "Bearer s3cret"
    assert told["body"]["model"] == "small"
    assert SOURCE.decode().split("\n")[4] in told["body"]["messages"][1]["content"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (500, "500|Internal"),
        ([b"{}"], "no chat completion"),
        ([b"x" * 3_000_000], "larger"),
        ([b"x"] * 50, "no answer within"),
    ],
)
def test_an_endpoint_that_fails(url: str, answer: Any, said: str) -> None:
    Server.answer = answer
    began = time.monotonic()
    found, why = ask(Asked(Backend(url=url), timeout_s=1.0 if isinstance(answer, list) and len(answer) > 1 else 30.0))
    assert found is None
    assert any(word in why for word in said.split("|")), why
    assert time.monotonic() - began < 9


def test_nobody_listens_and_a_key_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_KEY", raising=False)
    assert "NO_KEY" in ask(Asked(Backend(url="http://127.0.0.1:1/v1", key_env="NO_KEY")))[1]
    assert "back end" in ask(Asked(Backend(url="http://127.0.0.1:1/v1")))[1]
    assert "back end" in ask(Asked(Backend(url="no url")))[1]
