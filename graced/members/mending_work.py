"""What the coding agent hands to workers: looks at waiting files, mends, suggestions put in place, fixes taken back."""

import msgspec

from graced.home.paths import Home
from graced.members.work import Work
from graced.mending.apply import Job
from graced.mending.interpreter import python_of
from graced.spec.config import Config
from graced.store.text import words


class Mend(Work):
    """-> Outcome"""

    job: Job
    home: str
    config: Config

    def do(self) -> bytes:
        from graced.members.targets import targets
        from graced.mending.apply import mend

        python = python_of(self.job.path, self.config.coding_agent.watch, targets(Home(self.home), self.config))
        return msgspec.msgpack.encode(mend(msgspec.structs.replace(self.job, python=python)))


class LookAt(Work):
    """Of each (task, path, crashed) whether it must wait -> [Seen]"""

    tasks: list[tuple[str, str, bool]]
    settle_s: float
    again_s: float

    def do(self) -> bytes:
        from graced.mending.hold import looked_at

        return msgspec.msgpack.encode(looked_at(self.tasks, self.settle_s, self.again_s))


class Accept(Work):
    """Put in place what was suggested -> Outcome"""

    job: Job
    sha256_before: str
    sha256_after: str
    error: str

    def do(self) -> bytes:
        from graced.mending.apply import accept

        return msgspec.msgpack.encode(accept(self.job, self.sha256_before, self.sha256_after, self.error))


class Settle(Work):
    """What a worker that gave no answer did -> Outcome; b"" when it did nothing."""

    job: Job

    def do(self) -> bytes:
        from graced.mending.apply import settled

        found = settled(self.job)
        return b"" if found is None else msgspec.msgpack.encode(found)


class TakeBack(Work):
    """Put the bytes from before a fix back -> [why not, or ""]"""

    path: str
    sha256_before: str
    sha256_after: str
    original: str

    def do(self) -> bytes:
        from graced.mending.apply import undo

        try:
            restored = undo(self.path, self.sha256_before, self.sha256_after, self.original)
            said = "" if restored else "changed"
        except OSError as error:
            said = error.strerror or str(error)
            if error.filename == self.original:
                said = f"its original {self.original} cannot be read: {said}"
        return msgspec.msgpack.encode([words(said)])
