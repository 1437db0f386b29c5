"""The spawner: fork server, reaper, subreaper and fd store. It gives birth, carries out standing orders, reports exits.

It is the only parent; it decides nothing. Members are forked from this process with their modules already imported;
an import that fails here is tried again in the child, where it ends only the child.
"""

import contextlib
import gc
import importlib
import os
import random
import signal
import sys
from collections.abc import Callable
from typing import Any, Final

import msgspec

from graced.bus.protocol import Ask, Reply, View
from graced.core import births
from graced.core.births import Answer, Fork, KillNewborn, Starts
from graced.core.outer import Wish
from graced.core.vocabulary import Action, Beat, Birth, Born, Died, Event, Unborn
from graced.home import playbooks as kept
from graced.home import titles
from graced.home.claim import claim
from graced.home.kept import kept_config
from graced.home.paths import Home
from graced.home.presence import presence
from graced.members import process
from graced.members.duty import Duty
from graced.members.logtail import last_lines
from graced.members.nursery import Nursery
from graced.members.outer import Outer
from graced.members.process import DutyFor
from graced.members.saying import Saying
from graced.members.shell import LOST_EXIT, Shell
from graced.members.succession import slow_down
from graced.posix import journal, notify, proc
from graced.posix.clock import monotonic
from graced.posix.limits import raise_open_files
from graced.posix.scan import HOME_TAG
from graced.posix.spawn import cold_start
from graced.spec.roles import MEMBERS, START_ORDER

LATE: Final = ("ctypes", "array", "traceback", "setproctitle", "graced.members.shelf")
"""Imported inside of functions, because a command or the first milliseconds of a spawner have no need of them."""

USAGE_EXIT: Final = 64  # EX_USAGE
STOPPED_EXITS: Final = (0, 3)  # of `graced stop`: all ended, or nothing was there
STOP_FAILED_EXIT: Final = 1
INIT_PID: Final = 1
FORWARDED: Final = frozenset({signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2})
STRIPPED_AT_ONCE: Final = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")

DUTIES: Final[dict[str, tuple[str, str]]] = {
    "watchdog": ("graced.members.watchdog", "Watchdog"),
    "self_healing": ("graced.members.self_healing", "SelfHealing"),
    "coding_agent": ("graced.members.coding_agent", "CodingAgent"),
    "trigger": ("graced.members.trigger", "Trigger"),
    "parliament": ("graced.members.delegates", "Parliament"),
    "architect": ("graced.members.delegates", "Architect"),
}


def load_duty(role: str) -> DutyFor:
    """Import the class that does the role's work. Raises whatever the import raises."""
    module, name = DUTIES[role]
    duty: DutyFor = getattr(importlib.import_module(module), name)
    return duty


def preload() -> None:
    """Import all members here, so that a fork has them; one that cannot be imported is left to its own child.

    And whatever a recovery imports late, so that it needs no file of the installation: that may be gone by then.
    """
    for module in LATE:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    for role in DUTIES:
        try:
            load_duty(role)
        except Exception as error:  # whatever a broken file raises must not end the spawner
            module = DUTIES[role][0]
            sys.modules.pop(module, None)
            print(f"spawner: {module} cannot be imported: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
    importlib.invalidate_caches()


class Spawner(Duty):
    """Births of members here, of kernels in the Nursery."""

    def __init__(self, shell: Shell) -> None:
        super().__init__(shell)
        self.fresh = False
        self.foreground = notify.outer()
        self.took_over = False  # READY was said at once: what ran before was only without its members
        self._stopper = 0
        self.given: dict[str, list[int]] = {}  # descriptors that systemd kept
        self.outer = Outer(shell)
        self.saying = Saying(shell)
        self.starts: Starts = {}
        self.roles: dict[int, str] = {}
        self.nursery = Nursery(shell, self._known)
        self._answers: dict[str, Callable[[Event], None]] = {}
        self._policy = shell.state.policy

    def setup(self) -> None:
        if self.foreground and not journal.at_hand():  # which has entries of its own
            self.saying.begin(monotonic())
        self.nursery.adopt(self.given)
        self.outer.setup(monotonic(), self.fresh and not self.took_over)
        if os.getpid() == INIT_PID:
            for number in FORWARDED:
                signal.signal(number, lambda *_: None)
        if self.fresh:
            for row in START_ORDER:
                for role in row:
                    self._fork(Fork(role, f"start/{role}", 0), fresh=True)

    def _known(self) -> set[int]:
        """Children that belong to no kernel."""
        return {*self.roles, self._stopper, self.shell.syncer.worker, self.outer.worker}

    # --- commands

    def ask(self, ask: Ask, address: bytes) -> Reply | None:
        if ask.verb != "birth":
            return self.nursery.ask(ask)
        args = ask.args
        birth = Birth(str(args["target"]), str(args["request"]), int(args["floor"]), bool(args["force"]))
        self._bear(birth, lambda event: self.shell.bus.reply(address, _as_reply(ask.id, event)))
        return None

    def acted(self, action: Action) -> bool:
        match action:
            case Fork():
                self._fork(action)
            case Answer():
                answer = self._answers.pop(action.request, None)
                if answer is not None:
                    answer(action.event)
            case KillNewborn():
                identity = proc.identify(action.pid)
                if identity is not None and action.pid in self.roles:
                    proc.signal_identity(identity, 9)
            case _:
                return self.nursery.acted(action)
        return True

    def _bear(self, birth: Birth, answer: Callable[[Event], None]) -> None:
        if self.shell.stopping:
            answer(Unborn(birth.target, "graced is being stopped", monotonic() + 1.0))
            return
        self._answers[birth.request] = answer
        found = self.shell.found(birth.target)
        alive = found.status not in ("gone", "zombie", "stopped") and found.incarnation > birth.floor
        self.starts, actions = births.ask(self.starts, birth, monotonic(), holder=found.pid if alive else 0)
        for action in actions:
            self.shell.act(action)
        self._answers.pop(birth.request, None)

    def bear(self, birth: Birth) -> None:
        """The spawner's own last resort: the watchdog, when everyone else is known dead."""
        self._bear(birth, self.shell.take)

    # --- births

    def _fork(self, fork: Fork, *, fresh: bool = False) -> None:
        role, shell = fork.role, self.shell
        shell.store.release()
        try:
            pid = os.fork()
        except OSError as error:
            self.shell.act(Answer(fork.request, Unborn(role, f"fork: {error.strerror}", 0.0)))
            return
        if pid == 0:
            birth = process.Newborn(role, fork.floor, fresh, shell.state.playbooks, shell.config, shell.home.id())
            process.newborn(shell.home.root, birth, lambda: load_duty(role))
        self.roles[pid] = role
        self.starts = births.forked(self.starts, role, pid, monotonic())
        shell.bus.follow(role)
        shell.act(Answer(fork.request, Born(role, pid)))

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
        words = _words(wait_status)
        lines = last_lines(self.shell.home.log(role), 1) if wait_status and not os.WIFSIGNALED(wait_status) else []
        reason = f"{words}: {lines[0][:200]}" if lines else words
        self.starts = births.died(self.starts, role, pid, reason, self._policy, monotonic(), random.uniform(-1, 1))
        self.shell.take(Died(role, pid))

    def terminated(self) -> None:
        """SIGTERM or SIGINT. From `graced stop`: take the members along. In the foreground: stop everything first."""
        if self.shell.stopping:
            self._end_members()
            if not self._stopper:
                self.shell.exit_code = 0
        elif not self.foreground:
            self.shell.exit_code = 0
        elif notify.outer():
            self.outer.ask_wish(self._obey)
        else:
            self._stop()

    def _obey(self, wish: Wish) -> None:
        """What the outer supervisor wants."""
        match wish:
            case "end":
                self.outer.stopping(monotonic())
                self._stop()
            case "leave":
                self.shell.exit_code = 0
            case "again":
                self.shell.exit_code = LOST_EXIT  # not 0: systemd brings us back

    def _stop(self) -> None:
        """By a process of its own, which this one outlives: whoever waits for our end then finds nothing left."""
        if not self._stopper:
            me = str(os.getpid())
            argv = [sys.executable, "-P", "-m", "graced", "stop", "--home", self.shell.home.root, "--beside", me]
            # Without the home's mark: the stop looks for processes that carry it, and must not find itself.
            environ = {name: value for name, value in os.environ.items() if name != HOME_TAG}
            self._stopper = cold_start(argv, environ, self.shell.home.log("spawner"))

    def _end_members(self) -> None:
        """No birth can follow: a stop is announced. Their deaths are waited for: nothing outlives the spawner."""
        for pid in self.roles:
            identity = proc.identify(pid)
            if identity is not None:
                proc.signal_identity(identity, signal.SIGKILL)
        for pid in tuple(self.roles):
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)

    def signalled(self, numbers: set[int]) -> None:
        """As the first process of a container: signals that nobody else can be sent go to all kernels."""
        for number in numbers & FORWARDED if os.getpid() == INIT_PID else ():
            self.nursery.forward(number)

    def tend(self, now: float) -> None:
        self.outer.tend(now)
        self.saying.tend(now)
        self.starts, actions = births.overdue(self.starts, self.shell.interval, now)
        for action in actions:
            self.shell.act(action)
        self.nursery.tend(now)

    def wake_at(self) -> float:
        return min(self.nursery.wake_at(), self.outer.wake_at(), self.saying.due)

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
    for name in STRIPPED_AT_ONCE:  # of this process alone, not of those it starts
        os.environ.pop(name, None)
    proc.set_title(titles.of_newborn(home.root, "spawner"))
    if fresh is None:
        fresh = not any(presence(home, role).alive for role in DUTIES)
    preload()
    playbooks = kept.read(home)
    gc.collect()
    gc.freeze()
    gc.disable()

    def duty(shell: Shell) -> Duty:
        spawner = Spawner(shell)
        spawner.fresh, spawner.foreground = fresh, foreground or spawner.foreground
        spawner.given, spawner.took_over = given, ready_said
        return spawner

    birth = process.Newborn("spawner", 0, fresh, playbooks, kept_config(home), home.id())
    return _ended(process.be(home, birth, duty, taken), began)


def _ended(code: int, began: float) -> int:
    if code and notify.outer():
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
