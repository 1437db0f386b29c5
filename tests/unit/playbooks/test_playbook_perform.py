"""The actions that a worker carries out, on real processes and a real server."""

import http.server
import json
import os
import pathlib
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from graced.playbooks.actions import spec_of
from graced.playbooks.perform import Context, Outcome, perform

CTX = Context(folder="/", environ={"PATH": os.environ["PATH"], "GIVEN": "g"}, timeout_s=20.0, playbook="p", step="s")


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_command_runs_in_its_folder_and_environment(tmp_path: pathlib.Path) -> None:
    (tmp_path / "d").mkdir()
    ctx = Context(folder=str(tmp_path), environ=CTX.environ, timeout_s=20.0)
    code = (
        "import os, sys; print(os.getcwd(), os.environ['GIVEN'], os.environ['A'], sys.stdin.read());"
        "print('e', file=sys.stderr)"
    )
    outcome = perform("run_command", {"command": python(code), "cwd": "d", "env": {"A": "1"}}, ctx)
    assert outcome.ok, outcome
    assert outcome.output == {"code": 0, "stdout": f"{tmp_path}/d g 1 \n", "stderr": "e\n"}


def test_a_command_that_fails_says_how() -> None:
    outcome = perform("run_command", {"command": python("import sys; sys.exit('no such luck')")}, CTX)
    assert (outcome.ok, outcome.output["code"]) == (False, 1)
    assert outcome.text == f"{sys.executable}: exit 1: no such luck"
    assert perform("run_command", {"command": python("import os; os.kill(os.getpid(), 9)")}, CTX).text.endswith(
        "signal 9"
    )
    assert perform("run_command", {"command": "sh -c 'exit 3'"}, CTX).output["code"] == 3
    assert "cannot be run: No such file" in perform("run_command", {"command": ["/no/such"]}, CTX).text
    assert "cannot be run" in perform("run_command", {"command": ["sh"], "cwd": "/no/such"}, CTX).text
    assert "names no program" in perform("run_command", {"command": ""}, CTX).text
    assert "cannot be split" in perform("run_command", {"command": "'"}, CTX).text


def test_a_command_that_takes_too_long_is_killed_with_all_its_children(tmp_path: pathlib.Path) -> None:
    mark = tmp_path / "pid"
    started = time.monotonic()
    ctx = Context(environ=CTX.environ, timeout_s=1.0)
    outcome = perform("run_command", {"command": f"sh -c 'sleep 300 & echo $! > {mark}; wait'"}, ctx)
    assert not outcome.ok
    assert "was killed after 1 s" in outcome.text
    assert time.monotonic() - started < 15
    stat = pathlib.Path(f"/proc/{mark.read_text().strip()}/stat")
    deadline = time.monotonic() + 10
    while stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_command_whose_child_holds_its_output_is_not_waited_for(tmp_path: pathlib.Path) -> None:
    mark = tmp_path / "pid"
    started = time.monotonic()
    outcome = perform("run_command", {"command": f"sh -c 'sleep 300 & echo $! > {mark}; echo done'"}, CTX)
    os.kill(int(mark.read_text()), 9)
    assert (outcome.ok, outcome.output["stdout"]) == (True, "done\n")
    assert time.monotonic() - started < 15


def test_of_long_output_the_end_is_kept() -> None:
    outcome = perform("run_command", {"command": python("print('x' * 3_000_000); print('end')")}, CTX)
    assert outcome.ok
    assert len(outcome.output["stdout"]) == 64 * 1024
    assert outcome.output["stdout"].endswith("x\nend\n")


class _Answers(http.server.BaseHTTPRequestHandler):
    posted: list[dict[str, Any]]

    def do_GET(self) -> None:
        self.send_response(int(self.path[1:4]))
        self.end_headers()
        self.wfile.write(b"all is well")

    def do_POST(self) -> None:
        type(self).posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(500 if self.path == "/broken" else 200)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    _Answers.posted = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield f"127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


def test_http_get(server: str) -> None:
    def get(path: str, **args: Any) -> Outcome:
        return perform("http_get", {"url": f"http://{server}/{path}", **args}, CTX)

    assert get("200").ok
    assert get("200").output == {"status": 200, "body": "all is well"}
    assert get("404").text.endswith("404, not 200")
    assert get("404", expect=404).ok
    assert get("200", expect="well").ok
    assert get("200", expect="ill").text.endswith("200, without 'ill'")
    assert not get("503", expect="well").ok


def test_http_request_sends_and_is_not_repeated_by_itself(server: str) -> None:
    def send(path: str = "/200", **args: Any) -> Outcome:
        return perform("http_request", {"url": f"http://{server}{path}", **args}, CTX)

    assert send(body={"a": 1}).ok
    assert _Answers.posted == [{"a": 1}]
    assert send("/broken", body={}).text.endswith(": 500")
    assert send("/broken", body={}, expect=500).ok
    assert send("/404", method="GET", expect="well").text.endswith(": 404")
    assert send("/200", method="GET", expect="well").ok
    args = {"url": f"http://{server}/200", "body": {}}
    again = perform("http_request", args, CTX, again=True)
    assert (again.ok, again.output) == (False, {"interrupted": True})
    assert perform("http_request", {**args, "repeatable": True}, CTX, again=True).ok


def test_http_get_of_nobody() -> None:
    for url in ("http://127.0.0.1:1/", "file:///etc/passwd", "nonsense", "http://[", "http://a b/"):
        outcome = perform("http_get", {"url": url}, CTX)
        assert not outcome.ok
        assert outcome.text


def test_notify(server: str) -> None:
    ctx = Context(notify=(f"json://{server}/x",), playbook="p")
    assert perform("notify", {"message": "help"}, ctx) == Outcome(True, "told 1 of 1")
    assert [(p["title"], p["message"]) for p in _Answers.posted] == [("graced: p", "help")]
    outcome = perform(
        "notify", {"message": "help"}, Context(notify=(f"json://{server}/broken", "nothing://secret@there/token"))
    )
    assert not outcome.ok
    assert outcome.text.startswith("told 0 of 2; json://127.0.0.1: answered 500; nothing://there: ")
    assert "token" not in outcome.text
    assert (
        perform("notify", {"message": "x"}, Context()).text
        == "there is nobody to tell: `notify` in graced.yaml is empty"
    )


def test_sleep_is_within_the_steps_timeout() -> None:
    assert perform("sleep", {"seconds": 0.01}, CTX).ok
    assert not perform("sleep", {"seconds": 30}, CTX).ok
    assert not perform("sleep", {"seconds": -1}, CTX).ok


def test_log_writes_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    assert perform("log", {"message": "a\nb"}, CTX) == Outcome(True, "a b")
    assert capfd.readouterr().err == "p: a b\n"


def test_wrong_arguments_and_actions_of_the_core_are_failures() -> None:
    assert perform("sleep", {"seconds": "x"}, CTX).text.startswith("sleep: Expected `float`")
    assert not perform("log", {"message": "a", "more": 1}, CTX).ok
    for name in ("restart_member", "restart_kernel", "nothing"):
        assert perform(name, {}, CTX).text == f"{name} is no action that a worker carries out"


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        (None, Outcome(True, "done")), (True, Outcome(True, "done")), (False, Outcome(False, "failed")),
        ("text", Outcome(True, "text")),
        ({"a": 1}, Outcome(True, "done", {"a": 1})), (Outcome(False, "x"), Outcome(False, "x")),
        (KeyError("k"), Outcome(False, "KeyError: 'k'")),
    ],
)  # fmt: skip
def test_what_a_users_action_may_give_back(given: Any, outcome: Outcome) -> None:
    def mine(ctx: Context, a: int, b: int = 2) -> Any:
        assert (ctx, a, b) == (CTX, 1, 2)
        if isinstance(given, Exception):
            raise given
        return given

    assert perform("mine", {"a": 1}, CTX, {"mine": spec_of("mine", mine)}) == outcome
