"""The command line as a whole: help, options, exit codes, and that no error is a traceback."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from graced import __version__
from graced.cli import root
from graced.cli.place import Place, pass_place, place_options
from graced.cli.root import COMMANDS, cli
from graced.control.errors import Refusal


def run(*args: str, **rest: object) -> "click.testing.Result":
    return CliRunner().invoke(cli, list(args), **rest)  # type: ignore[arg-type]


@pytest.fixture
def gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder has been deleted."""
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()


@pytest.mark.usefixtures("gone")
@pytest.mark.parametrize("words", ["status", "config check", "tasks", "stop", "logs one", "init"])
def test_a_folder_that_was_deleted_is_one_clear_line(words: str) -> None:
    done = run(*words.split())
    assert (done.exit_code, done.output) == (1, f"graced: {root.NO_FOLDER}\n")


@pytest.mark.usefixtures("gone")
@pytest.mark.parametrize(("words", "code"), [("status", 3), ("config check", 0), ("tasks", 0)])
def test_with_a_configuration_no_folder_is_needed(tmp_path: Path, words: str, code: int) -> None:
    (tmp_path / "graced.yaml").write_text("version: 1\n")
    assert run("--config", str(tmp_path / "graced.yaml"), *words.split()).exit_code == code


@pytest.mark.usefixtures("gone")
def test_doctor_looks_all_the_same() -> None:
    done = run("doctor")
    assert done.exit_code == 0
    assert "does not exist any more" in done.output
    assert "socket paths" in done.output


@pytest.mark.parametrize("words", ["start", "config check"])
def test_a_home_that_is_not_utf8_is_one_clear_line(tmp_path: Path, words: str) -> None:
    done = run("--home", os.fsdecode(os.fsencode(tmp_path) + b"/\xff"), *words.split())
    assert done.exit_code == 78
    assert "is not UTF-8 text" in done.output
    assert len(done.output.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("option", "code"), [("--config", 78), ("--home", 2)])
def test_an_empty_option_is_told(option: str, code: int) -> None:
    done = run(option, "", "status")
    assert done.exit_code == code
    assert f"{option} is empty" in done.output


def test_version() -> None:
    assert run("--version").output == f"graced {__version__}\n"


def test_every_command_of_the_table_explains_itself() -> None:
    listed = cli.list_commands(click.Context(cli))
    assert {"init", "demo", "start", "stop", "restart", "status", "logs", "incidents", "audit", "playbook"} <= set(
        listed
    )
    help_text = run("--help").output
    for name in listed:
        assert COMMANDS[name].split(",")[0][:30] in help_text
        found = run(name, "--help")
        assert found.exit_code == 0 and "Usage: graced" in found.output


@pytest.mark.parametrize(
    "args", [(), ("--home",), ("stauts",), ("status", "--nope"), ("restart",), ("logs", "-n", "x", "a")]
)
def test_wrong_usage_is_exit_2(args: tuple[str, ...]) -> None:
    assert run(*args).exit_code == 2


def test_a_misspelt_command_has_a_hint() -> None:
    assert "did you mean status?" in run("stauts").stderr


def test_options_may_stand_on_either_side_of_the_command(tmp_path: Path) -> None:
    for args in (["--home", str(tmp_path / "h"), "status"], ["status", "--home", str(tmp_path / "h")]):
        found = run(*args)
        assert found.exit_code == 3
        assert str(tmp_path / "h") in found.output


def test_every_command_takes_config_and_home() -> None:
    def look(command: click.Command, path: tuple[str, ...]) -> None:
        names = {name for option in command.params for name in option.opts}
        assert {"--config", "--home"} <= names, path
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                found = command.get_command(context, name)
                assert found is not None
                if not found.hidden:
                    look(found, (*path, name))

    look(cli, ())


def test_the_option_nearest_to_the_command_counts(tmp_path: Path) -> None:
    assert "/near" in run("--home", "/far", "status", "--home", "/near").output


def test_the_home_of_the_environment(tmp_path: Path) -> None:
    home = str(tmp_path / "from-env")
    assert home in run("status", env={"GRACED_HOME": home}).output


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (Refusal("no", 4), 4, "graced: no\n"),
        (PermissionError(13, "Permission denied", "/x"), 1, "graced: /x: Permission denied\n"),
        (KeyboardInterrupt(), 130, None),
        (BrokenPipeError(), 1, ""),
        (UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates"), 1, "graced: '\\udcff' is not UTF-8\n"),
    ],
)
def test_an_error_is_one_line_and_a_code(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, line: str | None
) -> None:
    @click.command("status")
    @place_options
    @pass_place
    def failing(place: Place) -> None:
        raise error

    monkeypatch.setattr(root.Graced, "get_command", lambda self, ctx, name: failing)
    monkeypatch.setattr(root, "_no_reader", lambda: 1)
    found = run("status")
    assert found.exit_code == code
    assert line is None or found.stderr == line
    assert "Traceback" not in found.output


def test_a_home_of_another_user_is_not_taken_for_one_where_nothing_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def barred(path: str) -> list[str]:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("graced.cli.place.os.listdir", barred)
    for command in ("status", "stop", "audit", "start"):
        found = run(command, "--home", str(tmp_path))
        assert found.exit_code == 1
        assert found.stderr.startswith(f"graced: cannot look into {tmp_path}: Permission denied")


# --- a process of its own


def graced(*args: str, **rest: object) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-c", "from graced.cli.main import main; main()", *args]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, **rest)  # type: ignore[call-overload,no-any-return]


def test_version_imports_nothing(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['graced', '--version']; from graced.cli.main import main; main(); print(*sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "click" not in found.stdout.split()


def test_status_as_json_imports_neither_rich_nor_yaml(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['graced', 'status', '--json', '--home', 'h']\n"
        "from graced.cli.main import main\n"
        "try: main()\n"
        "finally: print(*sys.modules, file=sys.stderr)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    modules = found.stderr.split()
    assert found.returncode == 3 and "graced.cli.status" in modules
    assert not {"rich", "yaml", "pathspec", "asyncio"} & set(modules)


def test_a_reader_that_goes_away_is_no_news(tmp_path: Path) -> None:
    logs = tmp_path / "h" / "logs"
    logs.mkdir(parents=True)
    (logs / "web.log").write_bytes(b"line\n" * 200_000)
    script = f'"{sys.executable}" -c "from graced.cli.main import main; main()" logs web --home h | head -1'
    found = subprocess.run(["sh", "-c", script], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert (found.stdout, found.stderr) == ("line\n", "")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("--version", 0), ("audit verify", 0), ("audit", 0), ("incidents", 0), ("tasks", 0), ("playbook list", 0),
        ("config check", 0), ("doctor", 0), ("fix a.py", 0), ("logs web", 0), ("status", 3), ("stop", 3),
    ],
)  # fmt: skip
def test_a_closed_stream_is_no_error(tmp_path: Path, words: str, code: int, closed: str) -> None:
    (tmp_path / "h" / "logs").mkdir(parents=True)
    (tmp_path / "h" / "logs" / "web.log").write_text("line\n")
    (tmp_path / "a.py").write_text("pass\n")
    line = f'GRACED_HOME=h "{sys.executable}" -c "from graced.cli.main import main; main()" {words} {closed}'
    found = subprocess.run(["sh", "-c", line], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert (found.returncode, found.stderr) == (code, "")


def test_what_is_opened_never_gets_the_number_of_a_closed_stream(tmp_path: Path) -> None:
    code = (
        "import os, sys; from graced.cli.main import _open_closed; _open_closed()\n"
        "os.write(9, str([os.path.realpath(f'/proc/self/fd/{fd}') for fd in (0, 1, 2)]).encode())\n"
        "os.write(9, str([os.get_inheritable(fd) for fd in (0, 1, 2)]).encode())"
    )
    argv = ["sh", "-c", f'exec 9>told; "{sys.executable}" -c "$0" <&- >&- 2>&-', code]
    subprocess.run(argv, cwd=tmp_path, check=True)
    assert (tmp_path / "told").read_text() == str([os.devnull] * 3) + str([True] * 3)


def test_a_narrow_locale_is_no_error(tmp_path: Path) -> None:
    environ = {**os.environ, "PYTHONIOENCODING": "ascii:strict", "PYTHONUTF8": "0"}
    found = graced("status", "--home", str(tmp_path / "h"), env=environ)
    assert found.returncode == 3 and found.stdout.startswith("stopped ")


def test_following_a_log_shows_what_comes_until_ctrl_c(tmp_path: Path) -> None:
    log = tmp_path / "h" / "logs" / "web.log"
    log.parent.mkdir(parents=True)
    log.write_text("".join(f"line {n}\n" for n in range(50)))
    argv = [sys.executable, "-c", "from graced.cli.main import main; main()", "logs", "-f", "web", "--home", "h"]
    with subprocess.Popen(argv, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None and follower.stderr is not None
        try:
            assert [follower.stdout.readline() for _ in range(10)] == [f"line {n}\n" for n in range(40, 50)]
            with log.open("a") as file:
                file.write("new\n")
            assert follower.stdout.readline() == "new\n"
            follower.send_signal(signal.SIGINT)
            assert follower.wait(timeout=60) == 130
            assert follower.stderr.read().strip() == ""
        finally:
            follower.kill()
