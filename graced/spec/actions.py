"""The registry of actions: what a step of a playbook may use, what it is given, who performs it, which power it needs.

A playbook is checked against this table when it is loaded, and a step when it starts. Who performs an action:

  core    the member core itself, by polling its own state (graced.core.steps)
  duty    the member that executes the run, in its loop, by commands to other members (graced.members.kernel_actions)
  worker  a process of its own, which may block (graced.playbooks.perform); users' actions are performed there too
"""

from collections.abc import Callable
from typing import Any, Final, Literal

from msgspec import Struct

from graced.spec.roles import POWERS

KNOWN_POWERS: Final = tuple(power for powers in POWERS.values() for power in powers)

Performer = Literal["core", "duty", "worker"]


class ActionSpec(Struct, frozen=True):
    """`args`: a struct with a field for each argument. `function`: of a user's action; None for the built-in ones.

    `power`: what a delegate must hold to perform it; the healers and the watchdog do it by their duty.
    `targets`: the arguments that name what it works on, which no other playbook may work on meanwhile.
    `repeatable`: done twice is as good as done once, so one of which nobody knows whether it was done is done again.
    """

    name: str
    args: type[Struct]
    by: Performer
    power: str | None = None
    targets: tuple[str, ...] = ()
    repeatable: bool = True
    function: Callable[..., Any] | None = None


class NoArgs(Struct, frozen=True, forbid_unknown_fields=True):
    pass


class AgentArgs(Struct, frozen=True, forbid_unknown_fields=True):
    agent: str


class TargetArgs(Struct, frozen=True, forbid_unknown_fields=True):
    target: str


class RestartMemberArgs(Struct, frozen=True, forbid_unknown_fields=True):
    """`force`: whatever the limits on restarts say."""

    target: str
    force: bool = False


class AgentsArgs(Struct, frozen=True, forbid_unknown_fields=True):
    agents: list[str]


class KernelArgs(Struct, frozen=True, forbid_unknown_fields=True):
    kernel: str


class WaitForKernelArgs(Struct, frozen=True, forbid_unknown_fields=True):
    """`state`: a word of `graced status`; `ready` is true of a healthy one too."""

    kernel: str
    state: Literal["ready", "healthy", "unhealthy", "stopped", "backoff", "failed", "exited"] = "ready"


class RunCommandArgs(Struct, frozen=True, forbid_unknown_fields=True):
    """A list, or a string that is split as a shell splits words. `cwd`: relative to the folder of graced.yaml.

    `repeatable`: the command may be run again where nobody knows whether it was done.
    """

    command: list[str] | str
    cwd: str | None = None
    env: dict[str, str] = {}
    repeatable: bool = False


class HttpGetArgs(Struct, frozen=True, forbid_unknown_fields=True):
    """`expect`: a status code, or a text that the answer must hold."""

    url: str
    expect: int | str = 200


class HttpRequestArgs(Struct, frozen=True, forbid_unknown_fields=True):
    """`body`: a text as it is, anything else as JSON. `expect` as in http_get. `repeatable` as in run_command."""

    url: str
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    body: Any = None
    headers: dict[str, str] = {}
    expect: int | str | None = None
    repeatable: bool = False


class SleepArgs(Struct, frozen=True, forbid_unknown_fields=True):
    seconds: float


class MessageArgs(Struct, frozen=True, forbid_unknown_fields=True):
    message: str


def _table(*specs: ActionSpec) -> dict[str, ActionSpec]:
    return {spec.name: spec for spec in specs}


CORE_ACTIONS: Final = _table(
    ActionSpec("verify_agent", AgentArgs, "core"),
    ActionSpec("restart_member", RestartMemberArgs, "core", targets=("target",)),
    ActionSpec("verify_member", TargetArgs, "core"),
    ActionSpec("test_mutual", TargetArgs, "core"),
    ActionSpec("audit", NoArgs, "core"),
    ActionSpec("activate_emergency", NoArgs, "core"),
    ActionSpec("delegate_powers", AgentsArgs, "core"),
    ActionSpec("revoke_powers", NoArgs, "core"),
    ActionSpec("deactivate_emergency", NoArgs, "core"),
    ActionSpec("verify_mutual", NoArgs, "core"),
)

DUTY_ACTIONS: Final = _table(
    ActionSpec("restart_kernel", KernelArgs, "duty", power="restart_kernel", targets=("kernel",)),
    ActionSpec("start_kernel", KernelArgs, "duty", power="restart_kernel", targets=("kernel",)),
    ActionSpec("stop_kernel", KernelArgs, "duty", power="restart_kernel", targets=("kernel",)),
    ActionSpec("wait_for_kernel", WaitForKernelArgs, "duty", power="monitor_recovery"),
    ActionSpec("snapshot_source", KernelArgs, "duty", power="deploy_fix", targets=("kernel",)),
    ActionSpec("mend_source", KernelArgs, "duty", power="deploy_fix", targets=("kernel",)),
    ActionSpec("restore_source", KernelArgs, "duty", power="deploy_fix", targets=("kernel",)),
)

WORKER_ACTIONS: Final = _table(
    ActionSpec("run_command", RunCommandArgs, "worker", repeatable=False),
    ActionSpec("http_get", HttpGetArgs, "worker"),
    ActionSpec("http_request", HttpRequestArgs, "worker", repeatable=False),
    ActionSpec("sleep", SleepArgs, "worker"),
    ActionSpec("log", MessageArgs, "worker"),
    ActionSpec("notify", MessageArgs, "worker"),
)

BUILT_IN: Final = {**CORE_ACTIONS, **DUTY_ACTIONS, **WORKER_ACTIONS}


def performer(name: str) -> Performer:
    """Who performs the action; what is not built in is a user's, which a worker performs."""
    spec = BUILT_IN.get(name)
    return spec.by if spec is not None else "worker"
