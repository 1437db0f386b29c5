"""What a kernel finds around itself: the user's own environment, unbuffered Python, every byte as it was written."""

import json
import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
from support.deadlines import until
from support.fixtures import Make
from support.home import Graced
from support.kernels import PYTHON

BYTES: Final = """
import os, sys
parts = [os.fsencode(word) for word in sys.argv[2:]]
parts += sorted(key + b"=" + value for key, value in os.environb.items() if key.startswith(b"SAY"))
parts += [os.fsencode(os.getcwd())]
with open(sys.argv[1] + ".new", "wb") as file:
    file.write(b"\\0".join(parts))
os.rename(sys.argv[1] + ".new", sys.argv[1])
import time
time.sleep(1000)
"""
ASCII: Final = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="another user takes root")


def environ_of(graced: Graced, name: str) -> dict[str, str]:
    data = Path(f"/proc/{graced.pid(name)}/environ").read_bytes()
    pairs = (entry.split(b"=", 1) for entry in data.split(b"\0") if b"=" in entry)
    return {os.fsdecode(key): os.fsdecode(value) for key, value in pairs}


def ordinary() -> pwd.struct_passwd:
    return next(entry for entry in pwd.getpwall() if entry.pw_uid not in (0, os.geteuid()))


@as_root
def test_another_user_has_its_own_home_name_and_shell_unless_env_says_otherwise(make: Make) -> None:
    entry, graced = ordinary(), make()
    (graced.folder / "settings").write_text("SHELL=/bin/false\n")
    (graced.folder / "settings").chmod(0o644)
    sleeper: dict[str, Any] = {"command": "sleep 1000", "cwd": "/"}
    kernels = {
        "named": {**sleeper, "user": entry.pw_name},
        "numbered": {**sleeper, "user": str(entry.pw_uid)},
        "nameless": {**sleeper, "user": "54321", "group": "54321"},
        "told": {**sleeper, "user": entry.pw_name, "env": {"HOME": "/srv"}, "env_file": "settings"},
        "plain": sleeper,
        "grouped": {**sleeper, "group": str(entry.pw_gid)},
    }
    graced.write({"kernels": kernels})
    graced.start(environ={"HOME": "/root", "USER": "starter", "LOGNAME": "starter", "SHELL": "/bin/zsh"})
    names = ("HOME", "USER", "LOGNAME", "SHELL")
    found = {kernel: tuple(environ_of(graced, kernel).get(name) for name in names) for kernel in kernels}
    own = (entry.pw_dir, entry.pw_name, entry.pw_name, entry.pw_shell or "/bin/sh")
    assert found["named"] == found["numbered"] == own
    assert found["nameless"] == ("/", "54321", "54321", "/bin/sh"), "never the starter's"
    assert found["told"] == ("/srv", entry.pw_name, entry.pw_name, "/bin/false")
    assert found["plain"] == found["grouped"] == ("/root", "starter", "starter", "/bin/zsh")
    graced.stop_and_prove()


def test_python_keeps_no_output_back_unless_env_says_otherwise(make: Make) -> None:
    graced = make()
    talk = ["python3", "-c", "print('said'); import time; time.sleep(1000)"]
    kernels = {"by_default": {"command": talk}, "buffered": {"command": talk, "env": {"PYTHONUNBUFFERED": ""}}}
    graced.write({"kernels": kernels})
    graced.start(environ={"PYTHONUNBUFFERED": ""})
    until(lambda: (graced.home / "logs" / "by_default.log").read_text() == "said\n", 5.0, "said at once")
    assert environ_of(graced, "buffered")["PYTHONUNBUFFERED"] == ""
    graced.stop_and_prove()


def locales(folder: Path) -> dict[str, dict[str, str]]:
    """Environments whose text is not UTF-8."""
    found = {"ascii": ASCII}
    if shutil.which("localedef"):
        made = folder / "locales" / "xx_XX.ISO-8859-1"
        made.parent.mkdir()
        words = ["localedef", "--no-archive", "-c", "-i", "en_US", "-f", "ISO-8859-1", str(made)]
        if subprocess.run(words, capture_output=True, check=False).returncode == 0:
            found["latin-1"] = {"LOCPATH": str(made.parent), "LC_ALL": "xx_XX.ISO-8859-1"}
    return found


@pytest.mark.parametrize("locale", ["utf-8", "ascii", "latin-1"])
def test_every_byte_arrives_whatever_the_locale(make: Make, folder: Path, locale: str) -> None:
    environ = {"utf-8": {"LC_ALL": "C.UTF-8"}, **locales(folder)}.get(locale)
    if environ is None:
        pytest.skip("this locale cannot be made here")
    graced = make()
    words = ["grüße", "日本語", "🎉", "e\u0301"]
    for place in ("böse 🎉", "plain"):
        (graced.folder / place).mkdir()
    out, again = graced.folder / "out", graced.folder / "again"
    command = [*PYTHON, BYTES, str(out), *words]
    keys = {"command": command, "cwd": "böse 🎉", "env": {"SAY_YAML": "ünï 🎉"}, "env_file": "größe.env"}
    (graced.folder / "größe.env").write_bytes("SAY_FILE=été\n".encode())
    config = {"home": str(graced.home), "kernels": {"k": keys}}
    graced.yaml.write_bytes(json.dumps(config, ensure_ascii=False).encode())
    raw = {os.fsencode(k): os.fsencode(v) for k, v in {**graced.environ, **environ}.items()}
    raw[b"SAY_SHELL"] = b"\xff\xfe caf\xe9 \xc3\xa9"
    done = subprocess.run(graced.command("start"), env=raw, cwd=graced.folder, capture_output=True, check=False)
    assert done.returncode == 0, done
    wanted = [word.encode() for word in words]
    wanted += ["SAY_FILE=été".encode(), b"SAY_SHELL=\xff\xfe caf\xe9 \xc3\xa9", "SAY_YAML=ünï 🎉".encode()]
    wanted += [os.fsencode(graced.folder) + "/böse 🎉".encode()]
    until(out.exists, 5.0, "it writes")
    assert out.read_bytes().split(b"\0") == wanted
    out.rename(again)
    graced.kill("spawner")  # also from one that a survivor started
    graced.await_healthy(10.0)
    before = graced.pid("k")
    done = subprocess.run(graced.command("restart", "k"), env=raw, cwd=graced.folder, capture_output=True, check=False)
    assert done.returncode == 0, done
    assert graced.pid("k") != before
    until(out.exists, 5.0, "it writes")
    assert out.read_bytes() == again.read_bytes()
    graced.stop_and_prove()
