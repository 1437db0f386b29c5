"""The standing order for a kernel's next exit, derived ahead of the event with the restart intensity counted in."""

from graced.core.intensity import LONG_RUN_S, weigh
from graced.core.kernels.state import Kernel, Up
from graced.core.orders import Order


def next_order(kernel: Kernel, now: float) -> Order:
    """What the spawner is to do when the run that lives exits: what `exits.fate` would do, or only report."""
    spec, run = kernel.spec, kernel.run
    report = Order(kernel.name, run.run)
    up = isinstance(kernel.phase, Up)
    if not kernel.wanted or not up or kernel.tally.escalated or spec.restart == "never" or "restart" not in spec.ladder:
        return report
    verdict = weigh(kernel.tally.history, kernel.policy, max(0.0, now - run.started), now)
    if verdict.spent or verdict.wait > 0:
        return report
    codes = spec.exit_codes
    return Order(kernel.name, run.run, "start", spec.restart == "on-failure", codes.ok, codes.no_restart)


def changes_at(kernel: Kernel, now: float) -> float:
    """When time alone changes the order: the run gets long, or a restart leaves the window."""
    history = kernel.tally.history
    left = (t + kernel.policy.window for t in (*history.restarts, *history.short))
    return min((t for t in (kernel.run.started + LONG_RUN_S, *left) if t > now), default=float("inf"))
