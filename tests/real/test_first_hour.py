"""The first hour of a new user: README's first steps word for word, then his own mistakes, as he types them."""

import os
import pwd
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from support.deadlines import patience, until

README: Final = Path(__file__).resolve().parents[2] / "README.md"
LIMIT_S: Final = 60.0


class Typed(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def all(self) -> str:
        return self.out + self.err


class Shell:
    """What a person types in one terminal: `cd` stays in effect."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        bin_ = folder / "bin"
        bin_.mkdir()
        script = bin_ / "graced"
        script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -P -m graced "$@"\n')
        script.chmod(0o755)
        kept = {
            k: v
            for k, v in os.environ.items()
            if not k.startswith(("GRACED_", "PYTEST_", "NOTIFY_", "COLUMNS", "LINES"))
        }
        self.environ = {**kept, "PATH": f"{bin_}:{kept['PATH']}", "PYTHONDONTWRITEBYTECODE": "1"}

    def types(self, line: str, limit_s: float = LIMIT_S) -> Typed:
        where = self.folder / "bin" / "where"
        script = f"{line}\ncode=$?; pwd > {shlex.quote(str(where))}; exit $code"
        done = subprocess.run(
            ["bash", "-c", script], cwd=self.folder, env=self.environ, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=limit_s * patience(), check=False,
        )  # fmt: skip
        if where.exists():
            self.folder = Path(where.read_text().strip())
        assert "Traceback" not in done.stderr, done.stderr
        return Typed(done.returncode, done.stdout, done.stderr)

    def ok(self, line: str) -> Typed:
        done = self.types(line)
        assert done.code == 0, f"{line}: {done}"
        return done

    def replace(self, old: str, new: str, name: str = "graced.yaml") -> None:
        path = self.folder / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


@pytest.fixture
def shell(folder: Path) -> Iterator[Shell]:
    yield Shell(folder)
    for home in folder.rglob("run/spawner.lock"):  # of a test that failed in between
        words = ["stop", "--home", str(home.parent.parent)]
        subprocess.run([sys.executable, "-P", "-m", "graced", *words], capture_output=True, check=False)


def first_steps() -> list[str]:
    section = README.read_text(encoding="utf-8").partition("## First steps")[2]
    block = section.partition("```console\n")[2].partition("```")[0]
    return [line.removeprefix("$ ").partition("  #")[0].strip() for line in block.splitlines()]


def test_the_first_steps_of_readme_word_for_word(shell: Shell) -> None:
    steps = first_steps()
    assert len(steps) >= 9 and steps[0].startswith("graced init")
    said = {step: shell.ok(step).out for step in steps if not step.startswith("kill -9") or _kill(shell, step)}
    whole = {step.split(" &&")[0]: text for step, text in said.items()}
    assert "next: cd try && graced start" in whole["graced init try"]
    for words in ("healthy · 2/2 kernels", "clock *", "worker", "7 members healthy"):
        assert words in whole["graced start"] and words in whole["graced status"]
    assert whole["graced logs clock -n 3"].count("tick") <= 3
    assert "clock is ready since" in whole["graced why clock"]
    assert "clock" in whole["graced incidents"] and "watchdog" in whole["graced incidents"]
    assert "no mistakes, 2 kernels" in whole["graced config check"]
    assert "stopped 2 kernels (clock, worker) and 7 members" in whole["graced stop"]


def _kill(shell: Shell, step: str) -> bool:
    """`kill -9 $(graced status --pid NAME)`: and another one is there."""
    name = step.split()[-1].rstrip(")")
    before = int(shell.ok(f"graced status --pid {name}").out)
    shell.ok(step)

    def again() -> bool:
        pid = shell.types(f"graced status --pid {name}").out.strip()
        return pid.isdigit() and int(pid) != before and shell.types("graced status").code == 0

    until(again, 10.0, f"another {name}", 0.1)
    return False


def test_before_there_is_anything(shell: Shell) -> None:
    done = shell.types("graced status")
    assert done.code == 3 and "graced is not running in" in done.out and "graced start" in done.out
    assert shell.types("graced stop").code == 3
    done = shell.types("graced stats")
    assert done.code == 2 and "did you mean status?" in done.err
    for words in ("graced", "graced -h", "graced --help"):
        assert "A kernel is a program of yours" in " ".join(shell.types(words).all.split())
    done = shell.ok("graced start")
    assert "there is no graced.yaml here" in done.err and "graced init" in done.err
    assert "no kernels (programs of yours)" in done.out
    assert shell.types("graced logs").code == 2
    shell.ok("graced stop")


def started(shell: Shell, change: Callable[[], None] = lambda: None) -> None:
    shell.ok("graced init try && cd try")
    change()
    shell.ok("graced start")


def test_names_and_starts_that_mean_nothing(shell: Shell) -> None:
    started(shell)
    for line in (
        "graced restart clok",
        "graced stop clok",
        "graced logs clok",
        "graced why clok",
        "graced status clok",
    ):
        done = shell.types(line)
        assert (done.code, "did you mean clock?" in done.err) == (4, True), f"{line}: {done}"
    assert "already running" in shell.ok("graced start").out
    shell.ok("graced stop clock")
    done = shell.ok("graced status clock")
    assert re.search(r"clock \*\s+stopped", done.out)
    assert "graced start clock" in shell.ok("graced why clock").out
    shell.ok("graced start clock && graced stop")


def test_a_changed_file_is_told_everywhere(shell: Shell) -> None:
    started(shell)
    assert "changed since" not in shell.ok("graced status; graced restart worker; graced config show").all
    before = shell.ok("graced status --pid clock").out
    shell.replace("--items 3", "--items 4")
    (shell.folder / "graced.yaml").open("a").write("  extra: {command: sleep 1000}\n")
    hint = "graced.yaml has changed since it was loaded"
    for line in ("graced status", "graced start", "graced restart worker", "graced config show"):
        done = shell.ok(line)
        assert hint in " ".join(done.all.split()).replace("# ", ""), f"{line}: {done}"
    assert "`graced stop`, then `graced start`" in shell.ok("graced restart worker").err
    done = shell.types("graced start extra")
    assert done.code == 4 and hint in done.err
    shell.replace("kernels:\n", "kernls:\n")  # broken as well: what runs is not touched
    assert hint in shell.ok("graced start").err
    assert shell.ok("graced status --pid clock").out == before
    shell.replace("kernls:\n", "kernels:\n")
    shell.ok("graced stop && graced start")
    assert "changed since" not in shell.ok("graced status").all
    assert int(shell.ok("graced status --pid extra").out)
    shell.ok("graced stop")


@pytest.mark.parametrize("change", ["included", "deleted", "other"])
def test_a_file_that_was_included_deleted_or_meant_instead(shell: Shell, change: str) -> None:
    shell.folder.joinpath("more.yaml").write_text("kernels: {more: {command: sleep 1000}}\n")
    shell.folder.joinpath("graced.yaml").write_text("include: [more.yaml]\n")
    shell.ok("graced start")
    if change == "included":
        shell.replace("1000", "2000", "more.yaml")
        assert "more.yaml has changed since" in shell.ok("graced status").out
    elif change == "deleted":
        (shell.folder / "graced.yaml").unlink()
        assert "graced.yaml has changed since" in shell.ok("graced status --home .graced").out
    else:
        (shell.folder / "other.yaml").write_text("kernels: {}\n")
        assert "not from other.yaml" in shell.ok("graced --config other.yaml start").err
    shell.ok("graced stop --home .graced")


def tells(shell: Shell, name: str, reason: str) -> bool:
    return reason in shell.types(f"graced why {name}").out


def test_programs_that_do_not_come_up_say_why_where_he_looks(shell: Shell) -> None:
    crlf = shell.folder / "crlf.sh"
    crlf.write_bytes(b"#!/bin/sh\r\necho\r\n")
    crlf.chmod(0o755)
    shell.folder.joinpath("graced.yaml").write_text(
        """
kernels:
  well: {command: sleep 1000}
  missing: {command: no-such-program --port 80}
  shelled: {command: cd /tmp && ls}
  windows: {command: [./crlf.sh]}
  nowhere: {command: sleep 1000, cwd: /no/such/folder}
  crash: {command: [python3, -c, "print('about to bind'); raise OSError(98, 'Address already in use')"]}
  daemon: {command: [sh, -c, "setsid sleep 1000 & sleep 0.1"]}
"""
    )
    check = shell.types("graced config check")
    assert check.code == 78
    found = [line.split(": ", 2)[1] for line in check.err.splitlines()]
    assert found == [
        "kernels.missing.command",
        "kernels.shelled.command",
        "kernels.windows.command",
        "kernels.nowhere.cwd",
    ]
    assert shell.types("graced start").code == 1
    reasons = {
        "missing": "command no-such-program: not found on PATH",
        "shelled": "it is a command of the shell: write command: [sh, -c,",
        "windows": "ends in CR LF",
        "nowhere": "cwd /no/such/folder: No such file or directory",
        "crash": "exit code 1",
        "daemon": "run it in the foreground, not as a daemon",
    }
    for name, reason in reasons.items():
        until(
            lambda name=name, reason=reason: reason in shell.types(f"graced why {name}").out,
            10.0,
            f"{name}: {reason}",
            0.1,
        )
        done = shell.types(f"graced status {name}")
        assert done.code == 1 and reason in done.out, done
        assert done.out.index(f"{name} is ") < done.out.index("KERNEL"), "what is wrong comes first"
    assert "Address already in use" in shell.ok("graced why crash").out, "the end of its log"
    for name in ("missing", "nowhere"):
        assert reasons[name] in shell.ok(f"graced logs {name}").err
    assert shell.types("graced status well").code == 0, "another's fault is not its own"
    assert shell.types("graced status").code == 1
    assert not subprocess.run(["pgrep", "-f", f"{shell.folder}.*setsid"], capture_output=True, check=False).stdout
    shell.ok("graced stop")


def test_a_program_that_he_stopped_by_a_signal(shell: Shell) -> None:
    started(shell)
    pid = int(shell.ok("graced status --pid clock").out)
    shell.ok(f"kill -STOP {pid}")
    done = shell.types("graced status clock")
    assert done.code == 1 and f"kill -CONT {pid}" in done.out and "unhealthy" in done.out
    assert shell.types("graced status").code == 1
    shell.ok(f"kill -CONT {pid}")
    assert "ready" in shell.ok("graced status clock").out
    shell.ok("graced stop")


def test_logs_that_are_piped_and_followed(shell: Shell) -> None:
    started(shell, lambda: shell.replace("time.sleep(1)", "time.sleep(0.05)", "kernels/clock.py"))
    until(lambda: shell.ok("graced logs clock").out.count("tick") > 5, 10.0, "it ticks", 0.2)
    assert shell.types("graced logs -f clock | head -n 2", 20).out.count("tick") == 2
    assert "worker" in shell.types("graced logs | head -n 30", 20).out, "without a name all are followed"
    shell.ok("graced stop clock")
    # Nothing comes any more: whoever has read enough is not waited for.
    assert shell.types("graced logs -f clock | head -n 2", 20).out.count("tick") == 2
    done = shell.ok("graced logs clock --since 1h")
    assert "do not begin with a date: all are shown" in done.err and "tick" in done.out
    shell.ok("graced stop")


def test_what_is_narrow_and_what_is_no_terminal(shell: Shell) -> None:
    name = "a-very-long-name-" * 5
    shell.folder.joinpath("graced.yaml").write_text(
        f"kernels: {{{name}: {{command: sleep 1000}}, b: {{command: sleep 1000}}}}\n"
    )
    shell.ok("graced start")
    assert f"{name}  ready" in shell.ok("graced status").out, "off a terminal nothing is cut"
    for columns in (100, 80, 50):
        shown = shell.ok(f"script -qec 'stty cols {columns}; graced status' /dev/null | cat").out
        lines = [re.sub(r"\x1b\[[0-9;]*m", "", line.rstrip()) for line in shown.splitlines()]
        assert any("…" in line and line.split()[1] == "ready" for line in lines), lines
        assert max(len(line) for line in lines if "·" not in line) <= columns
    shell.ok("graced stop")


def test_a_kernel_that_was_removed_is_not_listed_any_more(shell: Shell) -> None:
    shell.folder.joinpath("graced.yaml").write_text(
        "kernels: {a: {command: sleep 1000}, gone: {command: sleep 1000}}\n"
    )
    shell.ok("graced start && graced stop")
    shell.folder.joinpath("graced.yaml").write_text("kernels: {a: {command: sleep 1000}}\n")
    shell.ok("graced start")
    assert "gone" not in shell.ok("graced status").out
    shell.ok("graced stop")
    done = shell.types("graced status")
    assert done.code == 3 and "gone" not in done.out


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="takes root and setpriv")
def test_a_program_that_became_another_user_and_cannot_be_signalled(shell: Shell) -> None:
    """As `sudo` makes them. Here it is graced that may not signal others: a root without CAP_KILL."""
    program = "[setpriv, --reuid, '65534', --clear-groups, sleep, '1000']"
    text = f"kernels: {{r: {{command: {program}, stop: {{timeout: 200ms}}}}}}\n"
    shell.folder.joinpath("graced.yaml").write_text(text)
    meek = "setpriv --bounding-set -kill graced"
    shell.ok(f"{meek} start")
    pid = int(shell.ok(f"{meek} status --pid r").out)
    until(lambda: os.stat(f"/proc/{pid}").st_uid == 65534, 5.0, "it is another user's")
    told = f"pid {pid} is a process of {pwd.getpwuid(65534).pw_name}, which this user cannot signal"
    assert told in shell.ok(f"{meek} why r").out
    done = shell.types(f"{meek} stop r")
    assert done.code == 1 and told in done.err and f"sudo kill {pid}" in done.err
    done = shell.types(f"{meek} stop")
    assert done.code == 1 and f"pid {pid} (r)" in done.err and "another user's" in done.err
    shell.ok(f"kill -9 {pid}")
    shell.types("graced stop")
