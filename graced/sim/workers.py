"""Long work in the simulator: what each kind of it does to the simulated disk, and answers, after a while.

A worker is a process: it may be killed, and dies with its member. What it does to files happens before it answers.
"""

import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from graced.members.mending_work import LookAt, Mend, Settle, TakeBack
from graced.members.retrying import LookBarred as LookAllBarred
from graced.members.rungs import LookBarred, Restore, TakeSnapshot
from graced.members.scanning import ScanTrees, WatchTrees
from graced.members.work import Stream, Work
from graced.mending.apply import Job, Outcome
from graced.mending.patience import Seen
from graced.mending.scan import Broken, Findings
from graced.mending.snapshot import Restored
from graced.sim.machine import Process
from graced.sim.sources import Snapshot, Sources, compiles, mended, sha256
from graced.store.scanned import Scanned

if TYPE_CHECKING:
    from graced.sim.member import Member

WORK_S: Final = (0.002, 0.05)
MEND_S: Final = (0.01, 0.3)
TYPED: Final = 0.1
"""How often a file is found to be changed again when its mend begins."""
EVENT_S: Final = (0.001, 0.05)


class Workers:
    def __init__(self, member: "Member") -> None:
        self._member, self._world = member, member.world
        self._sources: Sources = member.world.sources

    def run(self, work: Work, timeout: float, done: Callable[[bytes], None]) -> bool:
        self._member.touch()
        worker = self._fork()
        random, clock = self._world.random, self._world.clock
        half = random.uniform(*(MEND_S if isinstance(work, Mend) else WORK_S)) / 2
        clock.after(half, self._act, work, worker, done, half)
        worker.watchers.append((self._member.process, lambda: done(b"")))
        return True

    def _fork(self) -> Process:
        worker = self._world.machine.fork("worker", self._member.process)
        worker.worker = True
        return worker

    def _act(self, work: Work, worker: Process, done: Callable[[bytes], None], rest: float) -> None:
        if worker.alive:
            answer = self._do(work)
            self._world.clock.after(rest, self._answer, worker, done, answer)

    def _answer(self, worker: Process, done: Callable[[bytes], None], answer: bytes) -> None:
        if not worker.alive:
            return
        worker.watchers.clear()
        self._world.machine.kill(worker)
        if self._member.process.alive:
            self._member.came(lambda: done(answer))

    def follow(self, stream: Stream, told: Callable[[], None], ended: Callable[[], None]) -> bool:
        assert isinstance(stream, WatchTrees)
        self._member.touch()
        watcher = self._fork()
        watcher.watchers.append((self._member.process, ended))

        def changed() -> None:
            if watcher.alive and self._member.process.alive:
                delay = self._world.random.uniform(*EVENT_S)
                self._world.clock.after(delay, self._tell, told)

        self._world.source_watchers.append((watcher, changed))
        return True

    def _tell(self, told: Callable[[], None]) -> None:
        if self._member.process.alive:
            self._member.came(told)

    # --- what it does

    def _do(self, work: Work) -> bytes:
        match work:
            case ScanTrees():
                return pickle.dumps(self._scan(work.known))
            case LookAllBarred():
                return _packed([False] * len(work.paths))
            case LookBarred():
                return _packed(False)
            case Mend():
                return _packed(self._mend(work.job))
            case LookAt():
                return _packed([self._look(work, *each) for each in work.tasks])
            case Settle():
                found = self._settled(work.job)
                return _packed(found) if found is not None else b""
            case TakeBack():
                return _packed([self._take_back(work)])
            case Restore():
                return _packed(self._restore(work))
            case TakeSnapshot():
                return _packed(self._snapshot(work))
        raise AssertionError(f"nobody has simulated {work!r}")

    def _scan(self, known: dict[str, Scanned]) -> Findings:
        found = Findings([], [], [], [], len(self._sources.files), [])
        for path, text in self._sources.files.items():
            key, old = str(self._sources.keys[path]), known.get(path)
            if old is not None and old.key == key:
                if not old.ok:
                    found.broken.append(Broken(path, old.sha256, ""))
                continue
            ok = compiles(text)
            found.changed.append(Scanned(path, key, sha256(text), ok))
            if not ok:
                found.broken.append(Broken(path, sha256(text), "SyntaxError: invalid syntax"))
            elif old is not None and not old.ok:
                found.mended.append(path)
        return found

    def _look(self, work: LookAt, task: str, path: str, crashed: bool) -> Seen:
        """A file is left alone from the first look on at what it holds now."""
        now = self._world.clock.now
        since = self._sources.looked_at.setdefault((path, str(self._sources.keys[path])), now)
        return Seen(task) if crashed else Seen(task, max(0.0, work.settle_s - (now - since)), "changed just now")

    def _mend(self, job: Job) -> Outcome:
        settled = self._settled(job)
        if settled is not None:
            return settled
        if not job.crashed and self._world.random.random() < TYPED:
            return Outcome("waiting", "somebody has just saved it", wait_s=job.settle_s)
        text = self._sources.files[job.path]
        if compiles(text):
            return Outcome("done", "it compiles by now")
        better = mended(text)
        if better is None:
            return Outcome("failed", "nothing helps", "SyntaxError", sha256_before=sha256(text))
        self._sources.originals[sha256(text)] = text
        self._sources.notes[job.task] = (text, better)
        self._world.change_source(job.path, better)
        self._world.asked("mended", self._world.kernels_of(job.path))
        return _applied(text, better)

    def _settled(self, job: Job) -> Outcome | None:
        """What a worker before this one did."""
        note = self._sources.notes.get(job.task)
        if note is None or self._sources.files[job.path] != note[1]:
            return None
        return _applied(*note)

    def _take_back(self, work: TakeBack) -> str:
        text = self._sources.files[work.path]
        if sha256(text) == work.sha256_before:
            return ""
        if sha256(text) != work.sha256_after:
            return "changed"
        self._world.change_source(work.path, self._sources.originals[work.sha256_before])
        return ""

    def _snapshot(self, work: TakeSnapshot) -> bool:
        old = self._sources.snapshots.get(work.kernel)
        if old is not None and not work.proven:
            return False
        texts = {path: self._sources.files[path] for path in self._sources.inside(work.sources)}
        self._sources.snapshots[work.kernel] = Snapshot(work.proven, texts)
        return True

    def _restore(self, work: Restore) -> Restored | bool:
        kept = self._sources.snapshots.get(work.kernel)
        if kept is None:
            return False
        changed = [path for path, text in kept.texts.items() if self._sources.files[path] != text]
        if not changed:
            if not kept.proven:
                del self._sources.snapshots[work.kernel]
            return False
        for path in changed:
            self._world.change_source(path, kept.texts[path])
        self._world.asked("mended", (work.kernel,))
        return Restored(changed, work.keep_in)


def _applied(before: str, after: str) -> Outcome:
    sha = sha256(before)
    return Outcome("done", "mended", "SyntaxError", True, sha, sha256(after), sha)


def _packed(value: Any) -> bytes:
    return msgspec.msgpack.encode(value)
