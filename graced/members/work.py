"""Long work as plain data: what a member hands to a worker, so that the loop never waits for it."""

from msgspec import Struct


class Work(Struct):
    """One piece of work. `do` runs in a process of its own, which opens neither state.db nor a socket."""

    def do(self) -> bytes:
        """The answer, as the one who asked decodes it."""
        raise NotImplementedError


class Stream(Struct):
    """Work that goes on until its member ends: it writes a word to `fd` whenever there is news."""

    def follow(self, fd: int) -> None:
        raise NotImplementedError
