"""A member's place in run/: its role lock, the restart locks it takes, the records of others, the announced stop."""

import hashlib
import os

from graced.home.locks import LockRecord, RestartLock, RoleLock, holder, take_now
from graced.home.paths import Home
from graced.home.presence import Presence, presence
from graced.home.stopping import announced
from graced.posix.proc import Identity


class Locks:
    def __init__(self, home: Home, role: str, identity: Identity, lock: RoleLock) -> None:
        self._home, self._role, self._identity, self._lock = home, role, identity, lock
        self._restarts: dict[str, RestartLock] = {}
        self._targets: dict[str, RestartLock] = {}

    def still_mine(self) -> bool:
        return self._lock.still_mine()

    def retake(self, incarnation: int) -> bool:
        self._home.ensure()
        lock = RoleLock.take(self._home.lock(self._role))
        if lock is None:
            return False
        lock.write(LockRecord.of(self._identity, incarnation))
        self._lock.close()
        self._lock = lock
        self._home.reopen_run()
        return True

    def presence(self, role: str) -> Presence:
        return presence(self._home, role)

    def take(self, target: str) -> bool:
        lock = take_now(self._home.restart_lock(target), LockRecord.of(self._identity))
        if lock is None:
            return False
        self._restarts[target] = lock
        return True

    def drop(self, target: str) -> None:
        lock = self._restarts.pop(target, None)
        if lock is not None:
            lock.close()

    def holder(self, target: str) -> LockRecord | None:
        return holder(self._home.restart_lock(target))

    def take_target(self, target: str) -> bool:
        lock = take_now(target_path(self._home.run, target), LockRecord.of(self._identity))
        if lock is None:
            return False
        self._targets[target] = lock
        return True

    def drop_target(self, target: str) -> None:
        lock = self._targets.pop(target, None)
        if lock is not None:
            lock.close()

    def holds_target(self, target: str) -> bool:
        return target in self._targets and self._targets[target].still_mine()

    def target_holder(self, target: str) -> LockRecord | None:
        return holder(target_path(self._home.run, target))

    def stopping(self) -> bool:
        return announced(self._home)


def target_path(folder: str, target: str) -> str:
    """The lock file of what a playbook works on, which may be any text."""
    digest = hashlib.blake2b(target.encode(errors="replace"), digest_size=8).hexdigest()
    return os.path.join(folder, f"target-{digest}.lock")
