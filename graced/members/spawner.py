"""The spawner: fork server, reaper, subreaper and fd store. It gives birth, carries out standing orders, reports exits.

It is the only parent; it decides nothing. Members are forked from this process with their modules already imported;
an import that fails here is tried again in the child, where it ends only the child.
"""

import gc
import os
import signal
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, assert_never

import msgspec

from graced.bus.protocol import Asked, Reply, View
from graced.bus.verbs import BirthAsked
from graced.core import births
from graced.core.births import Answer, Fork, KillNewborn, Starts
from graced.core.duty import heard_elsewhere
from graced.core.outer import Wish
from graced.core.vocabulary import Beat, Birth, Born, Died, Event, Unborn
from graced.home import titles
from graced.home.claim import claim
from graced.home.environment import LISTEN_TAGS
from graced.home.kept import kept_config
from graced.home.paths import Home
from graced.home.presence import presence
from graced.members import process
from graced.members.birth import Newborn
from graced.members.duty import Duty, Handler
from graced.members.nursery import Nursery
from graced.members.outer import Outer
from graced.members.process import DUTIES
from graced.members.shell import LOST_EXIT, Shell
from graced.playbooks import at_birth
from graced.posix import notify, proc
from graced.posix.clock import monotonic
from graced.posix.limits import raise_open_files
from graced.spec.roles import MEMBERS, START_ORDER

if TYPE_CHECKING:
    from graced.members.outside import Saying

USAGE_EXIT: Final = 64  # EX_USAGE
STOPPED_EXITS: Final = (0, 3)  # of `graced stop`: all ended, or nothing was there
STOP_FAILED_EXIT: Final = 1
FORWARDED: Final = frozenset({signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2})


class Spawner(Duty):
    """Births of members here, of kernels in the Nursery."""

    def __init__(self, shell: Shell) -> None:
        super().__init__(shell)
        self.fresh = False
        self.foreground = shell.supervisor.there
        self.took_over = False  # READY was said at once: what ran before was only without its members
        self._stopper = 0
        self.given: dict[str, list[int]] = {}  # descriptors that systemd kept
        self.outer = Outer(shell)
        self.saying: Saying | None = None
        self.starts: Starts = {}
        self.roles: dict[int, str] = {}
        self.nursery = Nursery(shell, self._known)
        self._answers: dict[str, Callable[[Event], None]] = {}
        self._policy = shell.state.policy

    def setup(self) -> None:
        if self.foreground:
            self.saying = self.shell.outside.saying()
        self.nursery.adopt(self.given)
        self.outer.setup(self.shell.now(), self.fresh and not self.took_over)
        if self.shell.supervisor.first_process:
            for number in FORWARDED:
                signal.signal(number, lambda *_: None)
        if self.fresh:
            for row in START_ORDER:
                for role in row:
                    self._fork(Fork(role, f"start/{role}", 0), fresh=True)

    def _known(self) -> set[int]:
        """Children that belong to no kernel."""
        shell = self.shell
        workers = (shell.syncer.worker, shell.supervisor.worker, shell.outside.outputs.worker)
        return {*self.roles, self._stopper, *workers}

    # --- commands

    def handlers(self) -> Mapping[str, Handler]:
        return {"birth": self._birth_asked, **self.nursery.handlers()}

    def _birth_asked(self, args: BirthAsked, asked: Asked) -> None:
        birth = Birth(args.target, args.request, args.floor, args.force)
        self._bear(birth, lambda event: self.shell.bus.reply(asked.address, _as_reply(asked.id, event)))

    def _do(self, actions: tuple[births.StartAction, ...]) -> None:
        for action in actions:
            match action:
                case Fork():
                    self._fork(action)
                case Answer():
                    self._answer(action)
                case KillNewborn():
                    identity = self.shell.processes.identify(action.pid)
                    if identity is not None and action.pid in self.roles:
                        self.shell.processes.signal(identity, signal.SIGKILL)
                case _:
                    assert_never(action)

    def _answer(self, action: Answer) -> None:
        answer = self._answers.pop(action.request, None)
        if answer is not None:
            answer(action.event)

    def _bear(self, birth: Birth, answer: Callable[[Event], None]) -> None:
        now = self.shell.now()
        if self.shell.stopping:
            answer(Unborn(birth.target, "graced is being stopped", now + 1.0))
            return
        self._answers[birth.request] = answer
        found = self.shell.found(birth.target)
        alive = found.status not in ("gone", "zombie", "stopped") and found.incarnation > birth.floor
        self.starts, actions = births.ask(self.starts, birth, now, holder=found.pid if alive else 0)
        self._do(actions)
        self._answers.pop(birth.request, None)

    def bear(self, birth: Birth) -> None:
        """The spawner's own last resort: the watchdog, when everyone else is known dead."""
        self._bear(birth, self.shell.take)

    # --- births

    def _fork(self, fork: Fork, *, fresh: bool = False) -> None:
        role, shell = fork.role, self.shell
        shell.store.release()
        try:
            birth = Newborn(role, fork.floor, fresh, shell.state.playbooks, shell.config, shell.home.id())
            pid = shell.processes.fork(birth)
        except OSError as error:
            self._answer(Answer(fork.request, Unborn(role, f"fork: {error.strerror}", 0.0)))
            return
        self.roles[pid] = role
        self.starts = births.forked(self.starts, role, pid, shell.now())
        shell.bus.follow(role)
        self._answer(Answer(fork.request, Born(role, pid)))

    def heard(self, beat: Beat) -> None:
        if beat.phase == "healthy" and beat.member in MEMBERS:
            self.starts = births.healthy(self.starts, beat.member, beat.pid)
        self.nursery.heard(beat)

    def weight(self, pid: int) -> int:
        return int(pid in self.roles)

    def reaped(self, pid: int, wait_status: int) -> None:
        role = self.roles.pop(pid, None)
        if pid == self._stopper:
            self._stopper = 0
            self.shell.exit_code = 0 if os.waitstatus_to_exitcode(wait_status) in STOPPED_EXITS else STOP_FAILED_EXIT
        elif role is None:
            self.nursery.reaped(pid, wait_status)
        if role is None:
            return
        shell, words = self.shell, _words(wait_status)
        lines = shell.files.last_lines(role, 1) if wait_status and not os.WIFSIGNALED(wait_status) else []
        reason = f"{words}: {lines[0][:200]}" if lines else words
        noise = shell.random.uniform(-1, 1)
        self.starts = births.died(self.starts, role, pid, reason, self._policy, shell.now(), noise)
        shell.take(Died(role, pid))

    def terminated(self) -> None:
        """SIGTERM or SIGINT. From `graced stop`: take the members along. In the foreground: stop everything first."""
        if self.shell.stopping:
            # No birth can follow: a stop is announced. Their deaths are waited for: nothing outlives the spawner.
            self.shell.processes.end_children(tuple(self.roles))
            if not self._stopper:
                self.shell.exit_code = 0
        elif not self.foreground:
            self.shell.exit_code = 0
        elif self.shell.supervisor.there:
            self.outer.ask_wish(self._obey)
        else:
            self._stop()

    def _obey(self, wish: Wish) -> None:
        """What the outer supervisor wants."""
        match wish:
            case "end":
                self.outer.stopping(self.shell.now())
                self._stop()
            case "leave":
                self.shell.exit_code = 0
            case "again":
                self.shell.exit_code = LOST_EXIT  # not 0: systemd brings us back

    def _stop(self) -> None:
        """By a process of its own, which this one outlives: whoever waits for our end then finds nothing left."""
        if not self._stopper:
            self._stopper = self.shell.processes.stop_everything()

    def signalled(self, numbers: set[int]) -> None:
        """As the first process of a container: signals that nobody else can be sent go to all kernels."""
        for number in numbers & FORWARDED if self.shell.supervisor.first_process else ():
            self.nursery.forward(number)

    def tend(self, now: float) -> None:
        self.outer.tend(now)
        if self.saying is not None:
            self.saying.tend(now)
        heard = partial(heard_elsewhere, self.shell.state)
        self.starts, actions = births.overdue(self.starts, self.shell.interval, now, heard)
        self._do(actions)
        self.nursery.tend(now)

    def wake_at(self) -> float:
        said = self.saying.due if self.saying is not None else float("inf")
        return min(self.nursery.wake_at(), self.outer.wake_at(), said)

    def detail(self) -> dict[str, Any]:
        return {"failing": births.failing(self.starts)} if self.starts else {}

    def extend(self, view: View) -> View:
        return msgspec.structs.replace(view, failing=births.failing(self.starts))


def _as_reply(id: str, event: Event) -> Reply:
    if isinstance(event, Born):
        return Reply(id, True, {"pid": event.pid})
    assert isinstance(event, Unborn)
    return Reply(id, True, {"pid": 0, "reason": event.reason, "retry_at": event.retry_at})


def _words(wait_status: int) -> str:
    if os.WIFSIGNALED(wait_status):
        return f"killed by signal {os.WTERMSIG(wait_status)}"
    return f"exit code {os.waitstatus_to_exitcode(wait_status)}"


def main(
    home_root: str,
    *,
    fresh: bool | None,
    foreground: bool = False,
    role_fd: int | None = None,
    home_id: str | None = None,
    ready_said: bool = False,
) -> int:
    """Be the spawner of a home until the end. Returns its exit code; LOST_EXIT when the role is held.

    fresh: start everyone; None: if nobody is there. role_fd: the role lock, where it is held already. home_id: as the
    home's members know it. ready_said: the outer supervisor has been told READY.
    """
    home = Home(home_root, home_id)
    began = monotonic()
    raise_open_files()
    taken = process.take_role(home, "spawner", 0, role_fd)
    if taken is None:
        print(f"graced: {process.HELD_ELSEWHERE.format(role='spawner', home=home.root)}", file=sys.stderr, flush=True)
        return _ended(LOST_EXIT, began)
    claim(home)
    given = notify.received()
    for name in LISTEN_TAGS:  # of this process alone, not of those it starts
        os.environ.pop(name, None)
    proc.set_title(titles.of_newborn(home.root, "spawner"))
    if fresh is None:
        fresh = not any(presence(home, role).alive for role in DUTIES)
    process.preload()
    playbooks = at_birth.read(home)
    gc.collect()
    gc.freeze()
    gc.disable()

    def duty(shell: Shell) -> Duty:
        spawner = Spawner(shell)
        spawner.fresh, spawner.foreground = fresh, foreground or spawner.foreground
        spawner.given, spawner.took_over = given, ready_said
        return spawner

    birth = Newborn("spawner", 0, fresh, playbooks, kept_config(home), home.id())
    return _ended(process.be(home, birth, duty, taken), began)


def _ended(code: int, began: float) -> int:
    if code and notify.outer():
        from graced.members.succession import slow_down

        slow_down(began)
    return code


def _command_line(words: list[str]) -> int:
    """As `graced.home.launch` writes it; argparse would cost a tenth of the cold start."""
    given = {option: words[n + 1] for n, option in enumerate(words[:-1]) if option in ("--home", "--id", "--role-fd")}
    if "--home" not in given:
        print("usage: python -m graced.members.spawner --home ROOT [--id ID] [--role-fd N] [--fresh]", file=sys.stderr)
        return USAGE_EXIT
    role_fd = int(given["--role-fd"]) if "--role-fd" in given else None
    return main(given["--home"], fresh="--fresh" in words, role_fd=role_fd, home_id=given.get("--id"))


if __name__ == "__main__":
    sys.exit(_command_line(sys.argv[1:]))
