"""Playbook runs on request, for the two healers: taking the command, and telling how a run ended."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from graced.bus.protocol import Asked, Reply
from graced.bus.verbs import Answer, Request, RunWanted
from graced.core import engine
from graced.core.approvals import open_ones
from graced.core.vocabulary import Decided, RunAsked
from graced.members.duty import Handler
from graced.members.told import finished_lately

if TYPE_CHECKING:
    from graced.members.shell import Shell


REQUESTS_KEPT: Final = 64


def handlers(shell: "Shell") -> Mapping[str, Handler]:
    """`run`, `run.result` and `approve`."""

    def begin(args: RunWanted, asked: Asked) -> Reply:
        request, playbook = args.request, args.playbook
        if playbook not in shell.state.playbooks:
            return Reply(asked.id, False, error=f"no playbook {playbook}")
        known = request in shell.state.requests
        if not known and finished_lately(shell.audit.lately, request) is not None:
            return Reply(asked.id, True, {"accepted": True})  # a repeat, after the run's end and its executor's
        shell.take(RunAsked(request, playbook, args.target, args.tier, args.by, args.vars))
        name = next((r.id for r in shell.state.runs.values() if r.request == request), request)
        requests = shell.playbooks.requests
        requests[request] = name  # a recovery is named after what died, not after who asked for it
        while len(requests) > REQUESTS_KEPT:
            requests.pop(next(iter(requests)))
        shell.write_down()  # what is accepted is not forgotten, whoever dies next
        return Reply(asked.id, True, {"accepted": True})

    def result(args: Request, asked: Asked) -> Reply:
        request = args.request
        run = next((r for r in shell.state.runs.values() if request in (r.id, r.request)), None)
        if run is not None:
            steps = _plain(engine.told(run))
            return Reply(asked.id, True, {"running": True, "steps": steps, "step": engine.current(run)})
        id = shell.playbooks.requests.get(request, request)
        if id not in shell.playbooks.results:
            return Reply(asked.id, False, error=f"no run {request}")
        end = shell.playbooks.results[id]
        return Reply(asked.id, True, {"running": False, "ok": end.ok, "text": end.text, "steps": _plain(end.steps)})

    return {"run": begin, "run.result": result, "approve": approval(shell)}


def approval(shell: "Shell") -> Handler:
    """`approve`: a person's answer to a run that waits for it."""

    def answer(args: Answer, asked: Asked) -> Reply:
        run = next((r for r in shell.state.runs.values() for a in open_ones(r) if a.id == args.id), None)
        if run is None:
            return Reply(asked.id, False, error=f"no approval {args.id} waits here")
        shell.take(Decided(args.id, args.approve, args.by))
        shell.write_down()
        return Reply(asked.id, True, {"id": args.id, "playbook": run.playbook.name, "run": run.id})

    return answer


def _plain(steps: tuple[tuple[str, str, str], ...]) -> list[dict[str, str]]:
    return [{"step": step, "state": state, "text": text} for step, state, text in steps]
