"""A recorded stream of events, taken again by the pure core, gives the same actions."""

from functools import partial

import pytest
from msgspec.structs import replace

from graced.core import liveness
from graced.members.recorded import recorder
from graced.sim.checks import all_checks
from graced.sim.conformance import replay
from graced.sim.faults import kill_healers
from graced.sim.member import Member
from graced.sim.run import playbooks
from graced.sim.world import World


def recorded_world(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytearray]:
    """A start, both healers killed, an emergency and rest: the streams of all members, by role and pid."""
    streams: dict[str, bytearray] = {}
    make = Member._duty_for

    def recorded(self: Member, shell):  # type: ignore[no-untyped-def]
        stream = streams.setdefault(f"{self.role}-{self.process.pid}", bytearray())
        shell.step = recorder(partial(bytearray.extend, stream), shell.state)
        return make(self, shell)

    monkeypatch.setattr(Member, "_duty_for", recorded)
    world = World(3, playbooks(), all_checks())
    world.keep_rounds()
    world.start()
    world.clock.run_until(world.clock.now + 5.0)
    kill_healers(world)
    world.clock.run_until(world.clock.now + 10.0)
    return streams


def test_all_members_conform_through_an_emergency(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = recorded_world(monkeypatch)
    assert len(streams) >= 9
    for name, stream in streams.items():
        steps, difference = replay(bytes(stream))
        assert steps > 10, name
        assert difference == "", name


def test_another_core_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = recorded_world(monkeypatch)
    die = liveness.die
    monkeypatch.setattr(
        liveness, "die", lambda peer, pid, evidence, now: replace(die(peer, pid, evidence, now), state="healthy")
    )
    assert any(replay(bytes(stream))[1] for stream in streams.values())


def test_what_a_kill_cut_off_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = max(recorded_world(monkeypatch).values(), key=len)
    whole, _ = replay(bytes(stream))
    assert replay(bytes(stream[:-3])) == (whole - 1, "")
