"""One step of a user's playbook, done in a worker."""

import contextlib
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from graced.core.vocabulary import Perform
from graced.members.work import Work
from graced.posix.undecodable import UNDECODABLE
from graced.spec.config import Config

if TYPE_CHECKING:
    from graced.members.shell import Shell

Performed = Callable[[bool, str, dict[str, Any]], None]


class Step(Work):
    """An action of a playbook with its arguments."""

    uses: str
    args: dict[str, Any]
    timeout: float
    config: Config

    def do(self) -> bytes:
        from graced.playbooks.actions import all_actions
        from graced.playbooks.perform import Context
        from graced.playbooks.perform import perform as do

        context = Context(self.config.folder, dict(os.environ), self.config.notify, self.timeout)
        outcome = do(self.uses, self.args, context, all_actions())
        return msgspec.msgpack.encode({"ok": outcome.ok, "text": outcome.text, "output": outcome.output})


def perform(shell: "Shell", action: Perform, done: Performed) -> None:
    """Run the step and tell `done` (ok, text, output)."""

    def answered(data: bytes) -> None:
        outcome: dict[str, Any] = {"ok": False, "text": f"no result within {action.timeout:g} s", "output": {}}
        with contextlib.suppress(*UNDECODABLE):
            outcome = msgspec.msgpack.decode(data)
        done(bool(outcome["ok"]), str(outcome["text"]), outcome["output"])

    step = Step(action.uses, action.args, action.timeout, shell.config)
    if not shell.workers.run(step, action.timeout, answered):
        done(False, "no worker could be started", {})
