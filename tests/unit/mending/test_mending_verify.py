"""The user's verify command: sees the repaired tree, is bounded, and leaves nothing behind."""

import sys
import time
from pathlib import Path

import pytest

from graced.mending.verify import Verifier, can_stand_in, verify


def verifier(folder: Path, code: str, timeout_s: float = 20.0) -> Verifier:
    return Verifier((sys.executable, "-S", "-c", code), str(folder), timeout_s)


def test_exit_codes_and_words(tmp_path: Path) -> None:
    assert verify(verifier(tmp_path, "pass"), "/x.py", None) is None
    said = verify(verifier(tmp_path, "print('two tests failed'); raise SystemExit(3)"), "/x.py", None)
    assert said == "verify: exit code 3: two tests failed"
    assert "cannot be run" in str(verify(Verifier(("/no/such",), str(tmp_path)), "/x.py", None))


def test_it_runs_in_its_folder_and_is_told_the_file(tmp_path: Path) -> None:
    code = f"import os; raise SystemExit(os.getcwd() != {str(tmp_path)!r} or os.environ['GRACED_FILE'] != '/x.py')"
    assert verify(verifier(tmp_path, code), "/x.py", None) is None


def test_a_command_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    child = tmp_path / "child.py"
    child.write_text(
        f"import os, time\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)\n"
    )
    code = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-S', {str(child)!r}]); time.sleep(600)"
    began = time.monotonic()
    assert "longer than 3 s" in str(verify(verifier(tmp_path, code, 3.0), "/x.py", None))
    assert time.monotonic() - began < 20
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes():
        assert time.monotonic() < deadline, "its child lives"
        time.sleep(0.01)


@pytest.mark.skipif(not can_stand_in(), reason="no mount namespaces here")
def test_it_alone_sees_the_repair(tmp_path: Path) -> None:
    broken, repaired = tmp_path / "a.py", tmp_path / "trial"
    broken.write_text("broken")
    repaired.write_text("repaired")
    code = f"raise SystemExit(open({str(broken)!r}).read() != 'repaired')"
    assert verify(verifier(tmp_path, code), str(broken), str(repaired)) is None
    assert broken.read_text() == "broken"
