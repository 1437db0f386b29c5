"""A playbook that a delegate runs while both healers are out, with the powers that it is lent, and not without them."""

import os
import signal
from pathlib import Path
from typing import Any

from support.deadlines import until
from support.fixtures import Make
from support.home import Graced
from test_broken_member import break_module, copy, mend, with_copy
from test_playbooks import finished, lines, says, write

RUN_S = 15.0

__all__ = ["copy"]


def newer(one: Graced, run: int) -> bool:
    """Is a newer run of the kernel alive?"""
    slot = one.slot("one")["run"]
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
    one.write({"playbooks": [str(one.folder / "books")], "kernels": kernels})
    one.start()
    texts = {name: break_module(copy, name) for name in ("self_healing", "coding_agent")}
    one.kill("spawner", "self_healing", "coding_agent")  # a spawner that lives has the healers imported
    until(lambda: one.audited("delegation.granted", agent="trigger"), RUN_S, one.story)
    for _ in range(2):  # the first end is answered by the standing order, the next one has none
        run = one.slot("one")["run"]
        os.kill(run["pid"], signal.SIGKILL)
        until(lambda run=run: newer(one, run["run"]), RUN_S, one.story)
    until(lambda: finished(one, "react"), RUN_S, one.story)
    assert lines(path) == ["trigger one"]
    steps_told = {r["data"]["step"]: r["data"] for r in one.audited("playbook.step", playbook="react")}
    assert steps_told["restart"]["ok"], one.story()
    assert steps_told["never"]["text"] == "trigger does not hold the power deploy_fix"
    assert one.audited("power.refused", agent="trigger", power="deploy_fix")
    assert {r["member"] for r in one.audited("playbook.started", playbook="react")} == {"trigger"}
    for name, text in texts.items():
        mend(copy, name, text)
    one.await_healthy(RUN_S)
    one.growing("one", "two")
    one.stop_and_prove()
