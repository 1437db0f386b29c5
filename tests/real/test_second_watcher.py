"""trigger starts a critical kernel itself while both healers are out, and nobody else is there to do it."""

import os
import signal
from pathlib import Path

from support.deadlines import until
from support.fixtures import Make
from support.home import HEALERS, Graced
from test_broken_member import break_module, copy, mend, with_copy

RUN_S = 15.0

__all__ = ["copy"]


def kill_run(one: Graced, name: str) -> int:
    """The number of the run that is killed."""
    run = one.slot(name)
    os.kill(run["pid"], signal.SIGKILL)
    return int(run["run"])


def is_newer(one: Graced, name: str, run: int) -> bool:
    slot = one.slot(name)
    return bool(slot["run"] > run and slot["pid"])


def test_trigger_starts_a_critical_kernel_while_both_healers_are_out(make: Make, copy: Path) -> None:
    one = with_copy(make, copy)
    one.write({"kernels": {"one": one.counter("one", critical=True), "two": one.counter("two")}})
    one.start()
    texts = {name: break_module(copy, name) for name in HEALERS}
    one.kill("spawner", *HEALERS)  # a spawner that lives has the healers imported
    until(lambda: one.audited("delegation.granted", agent="trigger"), RUN_S, one.story)
    first = one.slot("one")["run"]
    for _ in range(3):  # one end may be answered by a standing order, the others by trigger alone
        run = kill_run(one, "one")
        until(lambda run=run: is_newer(one, "one", run), RUN_S, one.story)
    assert one.slot("one")["run"] == first + 3
    for name, text in texts.items():
        mend(copy, name, text)
    one.await_healthy(RUN_S)
    one.growing("one", "two")
    assert one.status()["kernels"]["one"]["run"] == first + 3, "self_healing adopts what trigger has started"
    one.stop_and_prove()
