"""Texts with a form of their own: durations, sizes, cron, signals, sockets."""

# ruff: noqa: E501  (tables are read row by row)

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graced.config import words
from graced.config.cron import NAMED, parse_cron
from graced.yaml_source.units import format_duration, format_size, parse_duration, parse_size


@given(st.integers(0, 3650 * 86_400_000))
def test_a_duration_of_whole_milliseconds_survives_its_text(ms: int) -> None:
    assert parse_duration(format_duration(ms / 1000)) == ms / 1000


@given(st.floats(0, 3650 * 86400.0))
def test_any_duration_survives_its_text(seconds: float) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


@given(st.integers(0, 1 << 60))
def test_a_size_survives_its_text(size_bytes: int) -> None:
    assert parse_size(format_size(size_bytes)) == size_bytes


@given(st.text())
def test_any_text_is_a_duration_and_size_or_is_refused(text: str) -> None:
    for parse in (parse_duration, parse_size):
        try:
            assert parse(text) >= 0
        except ValueError as wrong:
            assert str(wrong)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("10s", 10.0), ("5m", 300.0), ("1h", 3600.0), ("1d", 86400.0), ("7", 7.0), ("0.5", 0.5), ("1.5 h", 5400.0), (".5s", 0.5)],
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1s", "1 week", "10 S", "1e400", "nan", "inf", "1h30m", "٣s", "9999d"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r"needs a duration|longer than"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"), [("10M", 10 << 20), ("512m", 512 << 20), ("1K", 1024), ("2GiB", 2 << 30), ("1.5G", 3 << 29), ("0", 0), ("100 B", 100), ("64KB", 65536)]
)  # fmt: skip
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["* * * * *", "*/5 0-23/2 1,15 jan-MAR mon-fri", "0 0 29 2 *", "5 4 * * 7", "0 0 31 2 1", *NAMED]
)
def test_cron_expressions(text: str) -> None:
    assert parse_cron(text).minutes <= set(range(60))


def test_what_a_cron_expression_means() -> None:
    cron = parse_cron("*/20 22-23,0 1 * sun,7")
    assert (cron.minutes, cron.hours, cron.weekdays) == ({0, 20, 40}, {0, 22, 23}, {0})
    assert (cron.any_day, cron.any_weekday) == (False, False)


@pytest.mark.parametrize(
    "text", ["", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "a * * * *", "*/0 * * * *",
             "5-1 * * * *", "@reboot", "0 0 30 2 *", "1,,2 * * * *", "- * * * *", "* * * foo *", "²  * * * *"],
)  # fmt: skip
def test_what_is_no_cron_expression(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_cron(text)


@given(st.text(alphabet="0123456789*/,-@ abcmonSUNjan", max_size=30))
def test_any_text_is_a_cron_expression_or_is_refused(text: str) -> None:
    try:
        parse_cron(text)
    except ValueError as wrong:
        assert wrong.args[0]


@pytest.mark.parametrize(
    ("text", "number"), [("TERM", 15), ("SIGTERM", 15), ("sigusr1", 10), ("9", 9), ("RTMIN+3", int(signal.SIGRTMIN) + 3), ("SIGRTMAX", int(signal.SIGRTMAX))]
)  # fmt: skip
def test_signals(text: str, number: int) -> None:
    assert words.signal_number(text) == number


@pytest.mark.parametrize("text", ["", "0", "65", "NOPE", "TERM+1", "RTMIN+99", "RTMIN+", "SIG_IGN"])
def test_what_is_no_signal(text: str) -> None:
    with pytest.raises(ValueError, match="signal"):
        words.signal_number(text)


@given(st.text(max_size=40))
def test_any_text_is_a_socket_or_is_refused(text: str) -> None:
    try:
        found = words.socket(text)
    except ValueError as wrong:
        assert wrong.args[0]
    else:
        assert (found.path is None) != (found.port is None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "a",
        "a:",
        ":80",
        "[::1]",
        "[x]:80",
        "a b:80",
        "[]:80",
        "::1:80",
        "a:99999",
        "/" + "x" * 107,
        "[::1%eth0]:80",
    ],
)
def test_what_is_no_socket(text: str) -> None:
    with pytest.raises(ValueError, match=r"needs PORT|at most 107"):
        words.socket(text)


@given(st.text(max_size=40))
def test_any_text_is_a_url_or_is_refused(text: str) -> None:
    for check in (words.web_url, words.notify_url, words.timezone, words.pattern, words.umask):
        try:
            check(text)
        except ValueError as wrong:
            assert wrong.args[0]
