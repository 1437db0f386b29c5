"""The processes of kernels as Linux has them: births, marks in environments, whole trees."""

import os
from collections.abc import Callable, Mapping

from graced.core.trees import Facts
from graced.home import stop_command
from graced.home.foreign import Foreign
from graced.home.paths import Home
from graced.members.launching import Give, Launcher
from graced.members.linux.looking import Look, look
from graced.members.linux.outputs import Outputs
from graced.posix import proc
from graced.posix.cgroup import Leaves, delegated
from graced.posix.clock import boottime, monotonic
from graced.posix.proc import Identity
from graced.posix.tree import TreeKill, members_of
from graced.spec.config import Config


class Trees:
    """Made in every member, used in the spawner alone: what costs something is made at its first use."""

    def __init__(self, home: Home, config: Config, outputs: Outputs) -> None:
        self._home, self._config, self._outputs = home, config, outputs
        self._launcher: Launcher | None = None
        self._leaves: Leaves | None = None
        self.children = proc.own_children
        self._foreign_known: Foreign | None = None

    def _foreign(self, pid: int) -> bool:
        if self._foreign_known is None:
            self._foreign_known = Foreign(self._home)
        return self._foreign_known(pid)

    def below(self, pid: int) -> list[int]:
        return proc.descendants(pid, self._foreign)

    def launch(self, kernel: str, run: int, give: Give) -> int:
        pid = self._launcher_of().launch(kernel, run, give)
        self._leaves_of().put(kernel, pid)
        return pid

    def stop_command(self, kernel: str, main_pid: int) -> int:
        spec = self._launcher_of().kernels[kernel]
        return stop_command.start(spec, self._launcher_of().unmarked(spec), main_pid)

    def in_leaf(self, kernel: str) -> bool:
        return self._leaves_of().is_populated(kernel)

    def _leaves_of(self) -> Leaves:
        if self._leaves is None:
            self._leaves = Leaves(delegated())
        return self._leaves

    def _launcher_of(self) -> Launcher:
        if self._launcher is None:
            self._launcher = Launcher(self._home, self._config, self._outputs.open)
        return self._launcher

    def look(self) -> Look:
        return look(self._home.id())

    def leader(self, kernel: str, run: int) -> Identity | None:
        found = members_of(self._tags(kernel, run))
        leaders = [i for i in found if proc.session_of(i.pid) == i.pid]
        return min(leaders, key=lambda i: i.start_ticks) if leaders else None

    def started(self, identity: Identity) -> float:
        if not identity.start_ticks:
            return 0.0
        return monotonic() - (boottime() - identity.start_ticks / os.sysconf("SC_CLK_TCK"))

    def facts(self, pid: int, kernel: str, run: int, session: int) -> Facts:
        stat = proc.read_stat(pid)
        if stat is None or (stat.exiting and stat.threads <= 1):
            return Facts(exiting=True)
        if self._foreign(pid):
            return Facts(foreign=True)
        environ = proc.environ(pid)
        if environ.get("GRACED_HOME_ID") == self._home.id():
            return Facts(marks=(environ.get("GRACED_KERNEL", ""), environ.get("GRACED_RUN", "")))
        if session and proc.session_of(pid) == session:
            return Facts(in_session=True)
        return Facts(writes_log=self._outputs.writes(kernel, pid))

    def name(self, pid: int) -> str:
        stat = proc.read_stat(pid)
        return "" if stat is None or stat.dead or stat.exiting else proc.name(pid)

    def left(self, kernel: str, run: int, session: int) -> bool:
        return bool(members_of(self._tags(kernel, run), session, spare=self._foreign))

    def tree(
        self, root: Identity, kernel: str, run: int, session: int | None, subreaper: bool, spare: Callable[[int], bool]
    ) -> TreeKill:
        leaf = self._leaves_of().of(kernel)
        return TreeKill(root, self._tags(kernel, run), session, subreaper, spare, leaf)

    def _tags(self, kernel: str, run: int) -> Mapping[str, str]:
        return {"GRACED_HOME_ID": self._home.id(), "GRACED_KERNEL": kernel, "GRACED_RUN": str(run)}
