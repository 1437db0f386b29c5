"""What a person says of a suggested fix: accept, so that it is put in place, or decline, so that nobody asks again."""

from typing import TYPE_CHECKING

from graced.bus.protocol import Asked, Reply
from graced.bus.verbs import TaskId
from graced.members.mender import Mender
from graced.store import tables
from graced.store.tasks import TaskRecord
from graced.store.text import path_in, words

if TYPE_CHECKING:
    from graced.members.shell import Shell

DECLINED = "declined by a person"


class Suggestions:
    def __init__(self, shell: "Shell", mender: Mender) -> None:
        self._shell, self._mender = shell, mender
        self._asking: dict[str, Asked] = {}  # task -> the question that is answered when it is over

    def accept(self, args: TaskId, asked: Asked) -> Reply | None:
        id = args.id
        if id in self._asking:  # asked again while it is being done
            self._asking[id] = asked
            return None
        task = tables.get_task(self._shell.store, id)
        if task is None:
            return Reply(asked.id, False, error=f"no task {id}")
        if task.state == "done" and task.original is not None:
            return Reply(asked.id, True, {"path": path_in(task.path)})
        if task.state != "suggested" or task.superseded or not task.sha256_before or not task.sha256_after:
            return Reply(asked.id, False, error=f"task {id} is {_state(task)}: it suggests nothing")
        self._asking[id] = asked

        def over(why: str) -> None:
            last = self._asking.pop(id)
            reply = Reply(last.id, True, {"path": path_in(task.path)})
            if why:
                reply = Reply(last.id, False, error=words(f"{task.path}: {why}"))
            self._shell.bus.reply(last.address, reply)

        self._mender.accept(task, over)
        return None

    def decline(self, args: TaskId, asked: Asked) -> Reply:
        id = args.id
        task = tables.get_task(self._shell.store, id)
        if task is None:
            return Reply(asked.id, False, error=f"no task {id}")
        if task.state == "undone" and DECLINED in task.error:
            return Reply(asked.id, True, {"path": path_in(task.path)})
        if task.state != "suggested":
            return Reply(asked.id, False, error=f"task {id} is {_state(task)}: it suggests nothing")
        error = f"{task.error.partition('; not applied')[0]}; {DECLINED}"
        tables.finish_task(self._shell.store, id, "undone", self._shell.wall_iso(), error=error)
        return Reply(asked.id, True, {"path": path_in(task.path)})


def _state(task: TaskRecord) -> str:
    return "replaced by a newer one of its file" if task.superseded else task.state
