"""As PID 1: it reaps, forwards signals, stops in order with the right exit code, and heals as outside."""

import contextlib
import itertools
import signal
from pathlib import Path
from typing import Final

import pytest
from support.deadlines import until
from support.namespace import RECOVERY_S, Container
from support.witness import ROLES

OTHERS: Final = tuple(role for role in ROLES if role != "spawner")
SUBSETS: Final = [s for n in range(1, len(OTHERS) + 1) for s in itertools.combinations(OTHERS, n)]
SLEEP: Final = ["sleep", "1000"]
ORPHANS: Final = "while :; do (sleep 0.05 &); sleep 0.05; done"
NOTES_HUP: Final = "trap 'echo hup >> {0}/hup' HUP; echo up > {0}/up; while :; do sleep 0.05; done"
NOTES_TERM: Final = "trap 'echo {1} >> {0}/order; exit 0' TERM; echo up > {0}/up.{1}; while :; do sleep 0.05; done"


def shell(script: str) -> dict[str, list[str]]:
    return {"command": ["sh", "-c", script]}


def test_orphans_are_reaped(container: Container) -> None:
    container.start({"breeder": shell(ORPHANS)})
    seen = set[int]()

    def some_generations() -> bool:
        seen.update(container.pids())
        return len(seen) > 40

    until(some_generations, 20.0, container.story)
    until(lambda: not container.zombies(), 5.0, lambda: f"zombies: {container.zombies()}")


def test_sigterm_stops_kernels_in_their_order_and_the_exit_code_is_0(container: Container) -> None:
    here = container.graced.folder
    below = shell(NOTES_TERM.format(here, "below"))
    container.start({"below": below, "above": {**shell(NOTES_TERM.format(here, "above")), "depends_on": ["below"]}})
    until(lambda: all((here / f"up.{name}").exists() for name in ("below", "above")), 10.0, container.story)
    container.signal(signal.SIGTERM)
    assert container.wait() == 0, container.story()
    assert (here / "order").read_text().split() == ["above", "below"], container.story()


def test_sigint_stops_too(container: Container) -> None:
    container.start({"one": shell("sleep 1000")})
    container.signal(signal.SIGINT)
    assert container.wait() == 0, container.story()


def test_signals_are_forwarded_to_kernels(container: Container) -> None:
    here: Path = container.graced.folder
    container.start({"one": shell(NOTES_HUP.format(here))})
    until((here / "up").exists, 10.0, container.story)
    container.signal(signal.SIGHUP)
    until((here / "hup").exists, 5.0, container.story)
    assert container.whole()


def recover(container: Container, subsets: list[tuple[str, ...]]) -> None:
    container.start({"one": {"command": SLEEP}})
    until(lambda: len(sleepers(container)) == 1, 10.0, container.story)
    kernel = sleepers(container)
    for subset in subsets:
        newer = container.kill(*subset)
        until(lambda newer=newer: container.whole(newer), RECOVERY_S, lambda s=subset: f"{s}\n{container.story()}")  # type: ignore[misc]
        until(lambda: not container.zombies(), RECOVERY_S, lambda: f"zombies: {container.zombies()}")
    assert sleepers(container) == kernel, "the kernel kept its pid"
    container.signal(signal.SIGTERM)
    assert container.wait() == 0


def sleepers(container: Container) -> dict[int, int]:
    found = {}
    for inside, pid in container.pids().items():
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:2] == [word.encode() for word in SLEEP]:
                found[inside] = pid
    return found


def test_any_subset_of_the_others_is_recovered(container: Container) -> None:
    recover(container, [*SUBSETS[::6], OTHERS])


@pytest.mark.slow
def test_every_subset_of_the_others_is_recovered(container: Container) -> None:
    recover(container, SUBSETS)
