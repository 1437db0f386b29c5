"""The checkers: what must never happen (DESIGN.md section 7), each in a module of its own.

They look at what really happens in the simulated world, never at what the core believes.
"""

from graced.sim.checks.accepted import Accepted
from graced.sim.checks.base import Check
from graced.sim.checks.commands import Commands
from graced.sim.checks.counters import Counters
from graced.sim.checks.evidence import Evidence
from graced.sim.checks.kills import Kills
from graced.sim.checks.one_each import OneOfEach
from graced.sim.checks.powers import Powers
from graced.sim.checks.protocol import Protocol
from graced.sim.checks.storms import Storms
from graced.sim.checks.times import Times
from graced.sim.checks.told import Told


def all_checks() -> tuple[Check, ...]:
    return (
        OneOfEach(),
        Kills(),
        Evidence(),
        Powers(),
        Protocol(),
        Storms(),
        Counters(),
        Told(),
        Commands(),
        Accepted(),
        Times(),
    )
