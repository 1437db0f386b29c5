"""(state, event) -> state of a kernel, as a table that a person reads: golden/kernels.txt.

A change of the machine changes lines of it, and they are looked at one by one. Written anew by
`python tests/unit/core/test_core_kernels_golden.py`.
"""

import sys
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parent))

from kernels_driver import SPECS, Driver

TABLE: Final = Path(__file__).parent / "golden" / "kernels.txt"

STATES: Final = {
    "not wanted": "",
    "wanted": "",
    "starting": "",
    "just born": "born +1",
    "up": "born +1, wait 0.6",
    "up for 2 s": "born +1, wait 2",
    "up for 11 s": "born +1, wait 11",
    "being stopped": "born +1, person stop",
    "being restarted": "born +1, person restart",
    "stopped by a person": "born +1, person stop, exit +0 signal 9",
    "in backoff": "born +1, exit +0 1, born +1, exit +0 1",
    "restarted by order": "born +1, exit +0 1 by order",
    "birth failed": "unborn +1, unborn +1",
    "ended well": "born +1, exit +0 0",
    "examined": "born +1, exit +0 1, born +1, exit +0 1, born +1, exit +0 1",
    "at fix_source": "born +1, exit +0 1, born +1, exit +0 1, born +1, exit +0 1, examined syntax",
    "at restore_source": (
        "born +1, exit +0 1, born +1, exit +0 1, born +1, exit +0 1, examined nothing, rung fix_source not_applicable"
    ),
    "at notify": (
        "born +1, exit +0 1, born +1, exit +0 1, born +1, exit +0 1, examined nothing, rung fix_source not_applicable, "
        "rung restore_source not_applicable"
    ),
    "failed": (
        "born +1, exit +0 1, born +1, exit +0 1, born +1, exit +0 1, examined nothing, rung fix_source not_applicable, "
        "rung restore_source not_applicable, rung notify held_on"
    ),
    "started by a rung": (
        "born +1, exit +0 1, born +1, exit +0 1, born +1, exit +0 1, examined syntax, rung fix_source held_on, born +1"
    ),
    "stopped with graced": "born +1, stopping",
}
EVENTS: Final = (
    "", "wait 0.3", "wait 1", "wait 10", "wait 61", "wait 700",
    "born +0", "born +1", "born +3",
    "exit +0 0", "exit +0 1", "exit +0 2", "exit +0 3", "exit +0 unknown", "exit +0 1 by order",
    "exit +1 1", "exit +3 1", "unborn +0", "unborn +1", "stopping",
    "adopt +0 alive", "adopt +0 dead", "adopt +1 alive", "adopt +1 dead", "adopt +1 intent", "adopt +3 alive",
    "refused +0 alive", "refused +0 dead", "refused +1 alive",
    "person start", "person stop", "person restart",
    "examined nothing", "examined syntax",
    "rung fix_source held_on", "rung fix_source failed", "rung fix_source not_applicable",
    "rung restore_source held_on", "rung notify held_on", "mended", "renew",
)  # fmt: skip
OTHERS: Final = ("up", "in backoff", "ended well")
"""States in which the other kernels of SPECS differ from the plain one."""
ENDS: Final = tuple(e for e in EVENTS if e.split(" ")[0] in ("", "exit", "stopping", "person") and "+3" not in e)
DEPENDENT: Final = ("", "born +1 db", "born +1 db, born +1", "born +1 db, born +1, person stop", "person start")


def lines() -> list[str]:
    """The table: for each kernel of SPECS, each state and each event one line."""
    told = []
    for spec in SPECS:
        if spec == "dependent":
            for script in DEPENDENT:
                told.append(_line(spec, "wanted", "", script))
            continue
        states, events = (STATES, EVENTS) if spec == "plain" else (OTHERS, ENDS)
        told += [_line(spec, state, STATES[state], event) for state in states for event in events]
    return told


def _line(spec: str, state: str, script: str, event: str) -> str:
    driver = Driver(spec, wanted=state != "not wanted")
    if state != "wanted":
        driver.play(script)
    driver.play(event)
    return f"{spec} / {state} / {event or 'due'} -> {driver.tell()}"


def test_the_machine_does_what_the_table_says() -> None:
    expected = TABLE.read_text().splitlines()
    found = lines()
    assert len(found) == len(expected)
    differences = [f"- {old}\n+ {new}" for old, new in zip(expected, found, strict=True) if old != new]
    assert not differences, f"{len(differences)} lines differ:\n" + "\n".join(differences[:20])


if __name__ == "__main__":
    TABLE.write_text("\n".join(lines()) + "\n")
