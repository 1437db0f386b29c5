"""Playbook runs on request, for the two healers: taking the command, and telling how a run ended."""

from typing import TYPE_CHECKING, Final

from graced.bus.protocol import Ask, Reply
from graced.core import engine
from graced.core.approvals import open_ones
from graced.core.vocabulary import Decided, RunAsked
from graced.members.told import finished_lately

if TYPE_CHECKING:
    from graced.members.shell import Shell


REQUESTS_KEPT: Final = 64


def asked(shell: "Shell", ask: Ask) -> Reply | None:
    """Answers `run`, `run.result` and `approve`; None for other verbs."""
    args = ask.args
    match ask.verb:
        case "run":
            request, playbook = str(args["request"]), str(args["playbook"])
            if playbook not in shell.state.playbooks:
                return Reply(ask.id, False, error=f"no playbook {playbook}")
            if request not in shell.state.requests and finished_lately(shell.home.audit, request) is not None:
                return Reply(ask.id, True, {"accepted": True})  # a repeat, after the run's end and its executor's
            shell.take(
                RunAsked(
                    request,
                    playbook,
                    str(args.get("target") or ""),
                    int(args["tier"]),
                    str(args["by"]),
                    dict(args["vars"]),
                )
            )
            name = next((r.id for r in shell.state.runs.values() if r.request == request), request)
            requests = shell.playbooks.requests
            requests[request] = name  # a recovery is named after what died, not after who asked for it
            while len(requests) > REQUESTS_KEPT:
                requests.pop(next(iter(requests)))
            shell.audit.flush()  # what is accepted is not forgotten, whoever dies next
            shell.store.flush()
            return Reply(ask.id, True, {"accepted": True})
        case "approve":
            id = str(args["id"])
            run = next((r for r in shell.state.runs.values() for a in open_ones(r) if a.id == id), None)
            if run is None:
                return Reply(ask.id, False, error=f"no approval {id} waits here")
            shell.take(Decided(id, bool(args["approve"]), str(args["by"])))
            shell.audit.flush()
            shell.store.flush()
            return Reply(ask.id, True, {"id": id, "playbook": run.playbook.name, "run": run.id})
        case "run.result":
            request = str(args["request"])
            run = next((r for r in shell.state.runs.values() if request in (r.id, r.request)), None)
            if run is not None:
                steps = _plain(engine.told(run))
                return Reply(ask.id, True, {"running": True, "steps": steps, "step": engine.current(run)})
            id = shell.playbooks.requests.get(request, request)
            if id not in shell.playbooks.results:
                return Reply(ask.id, False, error=f"no run {request}")
            end = shell.playbooks.results[id]
            return Reply(ask.id, True, {"running": False, "ok": end.ok, "text": end.text, "steps": _plain(end.steps)})
    return None


def _plain(steps: tuple[tuple[str, str, str], ...]) -> list[dict[str, str]]:
    return [{"step": step, "state": state, "text": text} for step, state, text in steps]
