"""The journal's native protocol."""

import socket
from pathlib import Path

from graced.posix.journal import Journal, encode, message


def test_fields_are_lines_and_a_value_with_a_newline_has_its_length() -> None:
    assert encode({"MESSAGE": "well", "GRACED_KIND": "x"}) == b"MESSAGE=well\nGRACED_KIND=x\n"
    assert encode({"MESSAGE": "a\nb"}) == b"MESSAGE\n\x03\0\0\0\0\0\0\0a\nb\n"


def test_a_record_is_told_with_its_subject(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journald:
        journald.bind(str(tmp_path / "j"))
        Journal("watchdog", "/home/x", str(tmp_path / "j")).tell(
            "member.down", {"target": "trigger", "evidence": "exit"}
        )
        lines = journald.recv(4096).decode().splitlines()
    assert "MESSAGE=watchdog: member.down target=trigger evidence=exit" in lines
    assert {"PRIORITY=4", "GRACED_TARGET=trigger", "GRACED_MEMBER=watchdog", "GRACED_KIND=member.down"} <= set(lines)


def test_a_journal_that_is_away_is_no_error(tmp_path: Path) -> None:
    Journal("watchdog", "/x", str(tmp_path / "none")).tell("escalated", {"text": "x" * 10_000})


def test_a_message_is_short() -> None:
    assert len(message("spawner", "escalated", {"text": "x" * 10_000})) <= 2048
