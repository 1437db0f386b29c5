"""The configuration of simulated homes: members' times, kernels, what is watched, and a person's playbook."""

from typing import Final

from msgspec.structs import replace

from graced.core.intensity import Policy
from graced.core.vocabulary import Timing
from graced.sim.sources import ROOT
from graced.spec.config import (
    Backoff,
    CodingAgent,
    Config,
    Dependency,
    ExitCodes,
    Ready,
    Restarts,
    Stop,
    Watch,
)
from graced.spec.config import Kernel as Spec
from graced.spec.config import Timing as Times

TIMINGS: Final = (  # interval, timeout, check, emergency_confirm: in seconds
    Timing(0.1, 1.0, 1.0, 0.5),
    Timing(0.1, 1.0, 1.0, 2.0),
    Timing(0.1, 0.3, 1.0, 0.2),
    Timing(0.1, 4.0, 1.0, 6.0),
    Timing(0.25, 2.0, 2.0, 1.0),
    Timing(1.0, 5.0, 5.0, 5.0),
)

STOP: Final = Stop(timeout_s=1.0)
KERNELS: Final = (
    Spec("web", ("web",), stop=STOP, sources=(f"{ROOT}/web.py",), cwd="/"),
    Spec(
        "job",
        ("job",),
        restart="on-failure",
        exit_codes=ExitCodes((0,), (3,)),
        stop=Stop(timeout_s=1.0, command=("bye",)),
    ),
    Spec("db", ("db",), critical=True, stop=STOP, sources=(f"{ROOT}/db.py",)),
    Spec("api", ("api",), depends_on=(Dependency("db"),), stop=STOP),
    Spec("init", ("init",), restart="on-failure", ready=Ready(when="exited")),
)

PERSONS: Final = """
name: tidy
description: What a person runs now and then.
vars: {target: web}
steps:
  - name: look
    uses: run_command
    with: {command: [look], repeatable: true}
    retries: 2
  - name: sweep
    uses: run_command
    with: {command: [sweep]}
    on_failure: continue
  - name: both
    uses: run_command
    with: {command: [both]}
    parallel: true
    on_failure: continue
  - name: again
    uses: restart_kernel
    with: {kernel: "{{ target }}"}
    when: steps.sweep.ok
    on_failure: continue
"""


def policy_of(window: float, most: float) -> Policy:
    return Policy(window=window, max=most)


def config_of(timing: Timing, policy: Policy, kernels: Policy) -> Config:
    """`policy`: of members; `kernels`: of kernels."""
    times = Times(timing.interval, timing.timeout, timing.check, timing.confirm)
    specs = {spec.name: replace(spec, restarts=_restarts(kernels)) for spec in KERNELS}
    agent = CodingAgent(watch=(Watch(ROOT),))
    return Config("/simulated", timing=times, restarts=_restarts(policy), coding_agent=agent, kernels=specs)


def _restarts(policy: Policy) -> Restarts:
    backoff = Backoff(policy.immediate, policy.initial, policy.factor, policy.max, policy.jitter)
    return Restarts(policy.max_restarts, policy.window, backoff=backoff)
