"""Does a recorded member (graced.members.recorded) conform to the pure core? Its events again, its actions compared."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from graced.core import member, vocabulary
from graced.core.state import State
from graced.core.vocabulary import Event
from graced.members.recorded import LENGTH_BYTES, named

EVENTS: Final[dict[str, type[Event]]] = {
    name: kind for name, kind in vars(vocabulary).items() if isinstance(kind, type) and issubclass(kind, Event)
}


def replay(data: bytes) -> tuple[int, str]:
    """(steps that were taken again, the first that answered otherwise; empty when none did)."""
    values = _values(data)
    header = next(values, None)
    if header is None:  # killed before it had said from what it starts
        return 0, ""
    state = msgspec.convert(msgspec.msgpack.decode(header), State)
    count = 0
    for value in values:
        (name, plain), now, expected = msgspec.msgpack.decode(value)
        event = msgspec.convert(plain, EVENTS[name])
        state, actions = member.step(state, event, now)
        count += 1
        told = msgspec.msgpack.decode(msgspec.msgpack.encode([named(action) for action in actions]))
        if told != expected:
            return count, f"step {count}, {event} at {now}: recorded {_differing(expected, told)}"
    return count, ""


def _differing(expected: list[Any], told: list[Any]) -> str:
    for index, (one, other) in enumerate(zip(expected, told, strict=False)):
        if one != other:
            return f"{one}, now {other} (action {index})"
    return f"{len(expected)} actions, now {len(told)}"


def _values(data: bytes) -> Iterator[bytes]:
    """Each with its length before it; what the end cut off is left out."""
    at = 0
    while at + LENGTH_BYTES <= len(data):
        size = int.from_bytes(data[at : at + LENGTH_BYTES], "big")
        at += LENGTH_BYTES
        if at + size > len(data):
            return
        yield data[at : at + size]
        at += size


def main(argv: Sequence[str] | None = None) -> int:
    """Folders of recorded streams. 0: all conform; 1: some do not."""
    failed = steps = streams = 0
    for folder in sys.argv[1:] if argv is None else argv:
        for path in sorted(Path(folder).rglob("*.steps")):
            count, difference = replay(path.read_bytes())
            steps, streams = steps + count, streams + 1
            if difference:
                failed += 1
                print(f"{path}: {difference}")
    print(f"{streams} streams, {steps} steps, {failed} differ")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
