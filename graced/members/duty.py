"""What a role adds to the common shell."""

from collections.abc import Callable, Container, Mapping
from typing import TYPE_CHECKING, Any

from graced.bus.protocol import Asked, Reply, View
from graced.core.vocabulary import Beat, Birth, EndRun, Perform
from graced.members.step_workers import StepOutcome

if TYPE_CHECKING:
    from graced.members.shell import Shell

Handler = Callable[[Any, Asked], Reply | None]
"""Takes the arguments of a verb as the struct that graced.bus.verbs names; None: the answer comes later, or never."""


class Duty:
    """What one role does beside watching; the methods are called by the shell's loop and must not block."""

    def __init__(self, shell: "Shell") -> None:
        self.shell = shell

    def setup(self) -> None:
        """Called once before the member calls itself healthy."""

    def handlers(self) -> Mapping[str, Handler]:
        """The commands of this role, by verb."""
        return {}

    def heard(self, beat: Beat) -> None:
        """A heartbeat was taken in by the core."""

    def reaped(self, pid: int, wait_status: int) -> None:
        """A child of this process ended."""

    def weight(self, pid: int) -> int:
        """Of several dead children, those of less weight are taken in first."""
        return 0

    def bear(self, birth: Birth) -> None:
        """Give birth to a member; the spawner alone can."""
        raise AssertionError(f"{self.shell.me} bears nobody")

    def perform(self, action: Perform) -> None:
        """Perform an action of a playbook that is a duty's; the outcome goes to `shell.playbooks.done`."""
        self.shell.playbooks.done(action, StepOutcome(False, f"{self.shell.me} cannot do {action.uses}"))

    def own_subjects(self) -> Container[str]:
        """Of whom this role tells a person by itself."""
        return ()

    def run_ended(self, end: EndRun) -> None:
        """A run of a playbook that this member executed is over."""

    def terminated(self) -> None:
        """SIGTERM is a person's wish that this process ends; the others bring the member back."""
        self.shell.exit_code = 0

    def signalled(self, numbers: set[int]) -> None:
        """Signals that mean nothing to every member."""

    def tend(self, now: float) -> None:
        """Called in every turn of the loop."""

    def wake_at(self) -> float:
        """When `tend` is due at the latest."""
        return float("inf")

    def detail(self) -> dict[str, Any]:
        """Goes into the heartbeat and into `detail` of status."""
        return {}

    def extend(self, view: View) -> View:
        """Add to the answer to `status`."""
        return view
