from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from graced.posix import clock


def test_wall_time_has_milliseconds_and_a_z() -> None:
    assert clock.wall_iso(0) == "1970-01-01T00:00:00.000Z"
    assert clock.wall_iso(1767225599.9996) == "2026-01-01T00:00:00.000Z"


@given(st.integers(0, 4_000_000_000_000))
def test_wall_time_reads_back(millis: int) -> None:
    moment = datetime.fromisoformat(clock.wall_iso(millis / 1000))
    assert moment == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=millis)


def test_boottime_never_lags_monotonic() -> None:
    monotonic = clock.monotonic()
    assert clock.boottime() >= monotonic - 0.001
    assert clock.monotonic() >= monotonic
