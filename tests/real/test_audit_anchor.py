"""`audit.anchor` in graced.yaml: the head of the log is told outside of the home, and finds what was taken there."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from support.deadlines import until
from support.fixtures import Make

TOLD_S = 20.0


def tellings(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.mark.parametrize("way", ["file", "command"])
def test_a_log_that_was_cut_with_its_kept_head_is_found_by_the_anchor(make: Make, folder: Path, way: str) -> None:
    heads = folder / "heads"
    script = f"import sys; open({str(heads)!r}, 'a').write(sys.stdin.read())"
    anchor = str(heads) if way == "file" else {"command": [sys.executable, "-c", script]}
    graced = make(audit={"anchor": anchor})
    graced.start()
    until(lambda: bool(tellings(heads)), TOLD_S, lambda: "no head was told")
    graced.ok("stop")
    where = ["--anchor"] if way == "file" else ["--anchor", str(heads)]
    assert "ok" in graced.ok("audit", "verify", *where).out
    told = tellings(heads)[-1]
    segment = graced.home / "audit" / "000001.jsonl"
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join(lines[: told["seq"] - 1]))
    (graced.home / "audit" / ".head").unlink()
    graced.ok("audit", "verify")
    for words in (where, ["--anchor", f"{told['seq']}:{told['head']}"]):
        done = graced.run("audit", "verify", *words)
        assert done.code == 1 and f"tells of record {told['seq']}" in done.out, done


def test_an_anchor_that_is_none_is_one_clear_line(make: Make, folder: Path) -> None:
    graced = make()
    graced.start()
    graced.ok("stop")
    (folder / "empty").touch()
    for word, code, text in (
        (["--anchor"], 2, "nothing tells the head outside"),
        (["--anchor", str(folder / "none")], 1, "cannot be read: No such file"),
        (["--anchor", str(folder)], 1, "Is a directory"),
        (["--anchor", str(folder / "empty")], 1, "has no head of this home"),
    ):
        done = graced.run("audit", "verify", *word)
        assert (done.code, done.out) == (code, "") and text in done.err and len(done.err.splitlines()) == 1, done
