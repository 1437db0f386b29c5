"""What a person says of a suggested fix: accept, so that it is put in place, or decline, so that nobody asks again."""

from typing import TYPE_CHECKING

from graced.bus.protocol import Ask, Reply
from graced.members.mender import Mender
from graced.posix.clock import wall_iso
from graced.store import tables
from graced.store.tasks import TaskRecord
from graced.store.text import path_in, words

if TYPE_CHECKING:
    from graced.members.shell import Shell

DECLINED = "declined by a person"


class Suggestions:
    def __init__(self, shell: "Shell", mender: Mender) -> None:
        self._shell, self._mender = shell, mender
        self._asking: dict[str, tuple[str, bytes]] = {}  # task -> the question that is answered when it is over

    def accept(self, ask: Ask, address: bytes) -> Reply | None:
        id = str(ask.args["id"])
        if id in self._asking:  # asked again while it is being done
            self._asking[id] = (ask.id, address)
            return None
        task = tables.get_task(self._shell.store, id)
        if task is None:
            return Reply(ask.id, False, error=f"no task {id}")
        if task.state == "done" and task.original is not None:
            return Reply(ask.id, True, {"path": path_in(task.path)})
        if task.state != "suggested" or task.superseded or not task.sha256_before or not task.sha256_after:
            return Reply(ask.id, False, error=f"task {id} is {_state(task)}: it suggests nothing")
        self._asking[id] = (ask.id, address)

        def over(why: str) -> None:
            question, asker = self._asking.pop(id)
            reply = Reply(question, True, {"path": path_in(task.path)})
            if why:
                reply = Reply(question, False, error=words(f"{task.path}: {why}"))
            self._shell.bus.reply(asker, reply)

        self._mender.accept(task, over)
        return None

    def decline(self, ask: Ask) -> Reply:
        id = str(ask.args["id"])
        task = tables.get_task(self._shell.store, id)
        if task is None:
            return Reply(ask.id, False, error=f"no task {id}")
        if task.state == "undone" and DECLINED in task.error:
            return Reply(ask.id, True, {"path": path_in(task.path)})
        if task.state != "suggested":
            return Reply(ask.id, False, error=f"task {id} is {_state(task)}: it suggests nothing")
        error = f"{task.error.partition('; not applied')[0]}; {DECLINED}"
        tables.finish_task(self._shell.store, id, "undone", wall_iso(), error=error)
        return Reply(ask.id, True, {"path": path_in(task.path)})


def _state(task: TaskRecord) -> str:
    return "replaced by a newer one of its file" if task.superseded else task.state
