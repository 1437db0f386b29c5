"""What a person asks of kernels and members while graced runs, and waiting until it is so.

self_healing may be dead or hung at the moment of asking, and is being brought back then: so it is asked again.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from graced.bus.client import ask
from graced.bus.protocol import KernelView
from graced.control.errors import Refusal, not_running
from graced.control.names import needed
from graced.home.paths import Home
from graced.home.presence import anyone
from graced.posix.clock import monotonic
from graced.spec.config import Kernel
from graced.status.compose_kernels import NEVER, kernels_now, told_kernels
from graced.status.facts import Gathered
from graced.status.gather import gather
from graced.status.structs import WELL

ANSWER_S: Final = 1.0
PATIENCE_S: Final = 60.0
"""How long a command waits for a member that is being brought back (the SLO of a mutual restart)."""

POLL_S: Final = 0.05
SPARE_S: Final = 15.0
"""Added to a kernel's own limits before a wait for it is given up."""

Kernels = dict[str, KernelView]
Over = Callable[[Gathered, str, KernelView], bool]


def insist(home: Home, member: str, verb: str, args: Mapping[str, Any], patience_s: float = PATIENCE_S) -> Any:
    """The data of the answer, asked for until there is one. For commands that a repeat does no harm to.

    Raises Refusal with the member's own words, or when it does not answer.
    """
    deadline = monotonic() + patience_s
    while True:
        reply = ask(home, member, verb, args, ANSWER_S)
        if reply is not None:
            if not reply.ok:
                raise Refusal(reply.error or f"{member} refuses {verb}")
            return reply.data
        if not anyone(home):
            raise not_running(home.root)
        if monotonic() >= deadline:
            raise Refusal(f"{member} has not answered for {patience_s:g} s; `graced status` tells why")
        time.sleep(POLL_S)


def await_kernels(
    home: Home,
    specs: dict[str, Kernel],
    names: Sequence[str],
    over: Over,
    limit_s: float,
    report: Callable[[int], None] = lambda count: None,
) -> tuple[Kernels, list[str]]:
    """The kernels as they are once `over` holds for each of `names`, or after `limit_s`; and for which it does not.

    report: told the number of those for which it holds, in every look.
    """
    deadline = monotonic() + limit_s
    while True:
        g = gather(home, specs)
        now = kernels_now(g)
        left = [name for name in names if name not in now or not over(g, name, now[name])]
        report(len(names) - len(left))
        if not left or monotonic() >= deadline:
            return now, left
        if not anyone(home):
            raise Refusal(f"graced in {home.root} has stopped meanwhile; start it with `graced start`")
        time.sleep(POLL_S)


# --- start and stop by name


def start_kernels(home: Home, specs: dict[str, Kernel], names: Sequence[str]) -> list[str]:
    """Starts them and what they depend on; those that are not ready in time or failed, [] when all are well."""
    everyone = needed(specs, names)
    insist(home, "self_healing", "kernels.start", {"names": list(names)})
    limit_s = sum(specs[name].ready.timeout_s for name in everyone) + SPARE_S
    now, _ = await_kernels(home, specs, everyone, _is_decided, limit_s)
    return [name for name in everyone if not is_up(now[name])]


def is_up(kernel: KernelView) -> bool:
    """Ready, or done where it is one that ends well."""
    return (kernel.state in WELL and kernel.run.pid != 0) or kernel.state in ("exited", "scheduled")


def _is_decided(g: Gathered, name: str, kernel: KernelView) -> bool:
    return is_up(kernel) or kernel.state == "failed"


def _is_ended(g: Gathered, name: str, kernel: KernelView) -> bool:
    """The process is dead, and self_healing knows it of the whole tree."""
    return not kernel.run.pid and not kernel.wanted and not told_kernels(g).get(name, NEVER).run.pid


def stop_kernels(
    home: Home,
    specs: dict[str, Kernel],
    names: Sequence[str],
    report: Callable[[int], None],
    warn: Callable[[str], None] = lambda text: None,
) -> tuple[list[str], list[str]]:
    """Stops them until a person starts them again: (those that ran or were about to, those that are still alive).

    warn: told when that could not be noted on the disk.
    """
    before = kernels_now(gather(home, specs))
    ran = [name for name in names if before[name].run.pid or before[name].wanted]
    unsaved = insist(home, "self_healing", "kernels.stop", {"names": list(names)}).get("unsaved", "")
    if unsaved:
        warn(f"this cannot be noted ({unsaved}): should self_healing die meanwhile, they are started again")
    limit_s = max(specs[name].stop.timeout_s for name in names) + SPARE_S
    _, left = await_kernels(home, specs, names, _is_ended, limit_s, report)
    return ran, left


# --- restart


def restart_kernels(
    home: Home, specs: dict[str, Kernel], names: Sequence[str], report: Callable[[int], None]
) -> list[str]:
    """Restarts them at once; those that are not ready again in time, or failed. [] when all are well."""
    before = kernels_now(gather(home, specs))
    runs = {name: before[name].run.run for name in names}
    deadline = monotonic() + PATIENCE_S
    left = list(names)
    # A restart is no command to repeat: what has a newer run since was restarted by the answer that got lost.
    while left:
        reply = ask(home, "self_healing", "kernels.restart", {"names": left}, ANSWER_S)
        if reply is not None and reply.ok:
            break
        if reply is not None:
            raise Refusal(reply.error)
        if not anyone(home):
            raise not_running(home.root)
        if monotonic() >= deadline:
            raise Refusal(f"self_healing has not answered for {PATIENCE_S:g} s; `graced status` tells why")
        time.sleep(POLL_S)
        now = kernels_now(gather(home, specs))
        left = [name for name in left if now[name].run.run <= runs[name]]
    limit_s = max(specs[name].stop.timeout_s + specs[name].ready.timeout_s for name in names) + SPARE_S

    def settled(g: Gathered, name: str, kernel: KernelView) -> bool:
        return kernel.run.run > runs[name] and _is_decided(g, name, kernel)

    now, _ = await_kernels(home, specs, names, settled, limit_s, report)
    return [name for name in names if not (now[name].run.run > runs[name] and is_up(now[name]))]
