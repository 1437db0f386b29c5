"""A playbook that a delegate runs while both healers are out, with the powers that it is lent, and not without them."""

import http.server
import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

from support.deadlines import until
from support.fixtures import Make
from support.home import Graced
from test_broken_member import break_module, copy, mend, with_copy
from test_playbooks import finished, lines, says, write

RUN_S = 15.0

__all__ = ["copy"]


class Sink(http.server.ThreadingHTTPServer):
    """Takes messages."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.told: list[dict[str, Any]] = []
        told = self.told

        class Taker(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        super().__init__(address, Taker)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


def newer(one: Graced, run: int) -> bool:
    """Is a newer run of the kernel alive?"""
    slot = one.slot("one")
    return bool(slot["run"] > run and slot["pid"])


def test_trigger_runs_a_playbook_and_restarts_a_critical_kernel_while_both_healers_are_out(
    make: Make, copy: Path
) -> None:
    one = with_copy(make, copy)
    path = one.folder / "said"
    steps: list[dict[str, Any]] = [
        {"name": "tell", **says(path, "{{ agent }} {{ event.target }}")},
        {"name": "restart", "uses": "restart_kernel", "with": {"kernel": "{{ event.target }}"}},
        {"name": "never", "uses": "log", "with": {"message": "x"}, "power": "deploy_fix", "on_failure": "continue"},
    ]
    write(one, "react", steps, on="kernel.crashed", vars={"agent": None})
    kernels = {"one": one.counter("one", critical=True), "two": one.counter("two")}
    sink = Sink(("127.0.0.1", 0))
    notify = [f"json://127.0.0.1:{sink.server_port}/"]
    quick = {"max_restarts": 3, "window": "60s", "backoff": {"initial": "100ms", "max": "2s", "jitter": 0}}
    books = [str(one.folder / "books")]
    one.write({"playbooks": books, "kernels": kernels, "notify": notify, "restarts": quick})
    one.start()
    texts = {name: break_module(copy, name) for name in ("self_healing", "coding_agent")}
    one.kill("spawner", "self_healing", "coding_agent")  # a spawner that lives has the healers imported
    until(lambda: one.audited("delegation.granted", agent="trigger"), RUN_S, one.story)
    run = one.slot("one")  # its new spawner holds no standing order: nobody but trigger starts it again
    os.kill(run["pid"], signal.SIGKILL)
    until(lambda: newer(one, run["run"]), RUN_S, one.story)
    until(lambda: finished(one, "react"), RUN_S, one.story)
    assert lines(path) == ["trigger one"]
    steps_told = {r["data"]["step"]: r["data"] for r in one.audited("playbook.step", playbook="react")}
    assert steps_told["restart"]["ok"], one.story()
    assert steps_told["never"]["text"] == "trigger does not hold the power deploy_fix"
    assert one.audited("power.refused", agent="trigger", power="deploy_fix")
    assert {r["member"] for r in one.audited("playbook.started", playbook="react")} == {"trigger"}
    until(lambda: sink.told, RUN_S, one.story)
    for name, text in texts.items():
        mend(copy, name, text)
    one.await_healthy(RUN_S)
    one.growing("one", "two")
    assert len(sink.told) == 1, "a person is told once, however often it is tried"
    assert "graced incidents emergency-" in sink.told[0]["message"]
    sink.stop()
    one.stop_and_prove()
