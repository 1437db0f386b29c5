"""A person is told of what is escalated: every URL under `notify:` in graced.yaml, by a worker, a few times if need be.

A kernel's ladder tells of the kernel by its own rung (`notify`), so what is escalated about a kernel is not told here.
"""

from typing import TYPE_CHECKING, Any, Final

import msgspec

from graced.members.work import Work

if TYPE_CHECKING:
    from graced.members.shell import Shell

TIMEOUT_S: Final = 20.0
TRIES: Final = 4
WAIT_S: Final = 2.0
"""Before the second try; each wait is twice the one before."""


class TellPeople(Work):
    """-> whether everyone was told"""

    urls: tuple[str, ...]
    message: str

    def do(self) -> bytes:
        from graced.playbooks.web import tell as send

        return msgspec.msgpack.encode(send(self.urls, "graced", self.message, TIMEOUT_S / 2).ok)


def tell(shell: "Shell", data: dict[str, Any], tries: int = TRIES, wait_s: float = WAIT_S) -> None:
    """`data`: of an `escalated` record. Nothing is told where nobody is named."""
    urls = shell.config.notify
    if not urls or data["subject"] in shell.duty.own_subjects():
        return
    incident = data["incident"]
    more = f"\n`graced incidents {incident}` tells the course of it." if incident else ""
    message = f"{data['subject']}: {data['text']}{more}"

    def done(answer: bytes) -> None:
        if tries > 1 and not (answer and msgspec.msgpack.decode(answer)):
            shell.after(wait_s, lambda: tell(shell, data, tries - 1, 2 * wait_s))

    if not shell.workers.run(TellPeople(urls, message), TIMEOUT_S, done):
        done(b"")
