"""scripts/bootstrap and what stands on it, in a copy of the checkout with a false pip: nothing is installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TOOLS = "bash readlink dirname sha256sum flock find mktemp rm mkdir tail head cat mv env sleep"
LIMIT_S = 60.0

PYTHON = """\
#!/bin/sh
case "$*" in
"-m pip"*) echo "$*" >> "{log}"; sleep 0.2; exit "$(cat "{code}")" ;;
"-m venv"*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; printf '#!/bin/sh\\necho "graced $*"\\n' > "$3/bin/graced"
    chmod +x "$3/bin/graced"; echo "$*" >> "{log}" ;;
*ensurepip*) exit {bare} ;;
*version_info*) exit {old} ;;
*python_version*) echo 3.9.1 ;;
esac
"""


class Checkout:
    """A folder with the scripts and a pyproject; its PATH has one false interpreter and a few tools."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a checkout"
        self.bin = folder / "bin"
        self.log = folder / "log"
        self.code = folder / "code"
        self.log.touch()
        self.code.write_text("0")
        (self.root / "scripts").mkdir(parents=True)
        self.bin.mkdir()
        for name in ("bootstrap", "graced", "demo"):
            shutil.copy(ROOT / "scripts" / name, self.root / "scripts" / name)
        (self.root / "pyproject.toml").write_text("[project]\n")
        for tool in [*TOOLS.split(), "sh", "cp", "chmod"]:
            path = shutil.which(tool)
            assert path, tool
            (self.bin / tool).symlink_to(path)
        self.python()

    def python(self, name: str = "python3", bare: int = 0, old: int = 0) -> None:
        file = self.bin / name
        file.unlink(missing_ok=True)
        file.write_text(PYTHON.format(log=self.log, code=self.code, bare=bare, old=old))
        file.chmod(0o755)

    def spawn(self, script: str, *words: str, cwd: Path | None = None) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [str(self.root / "scripts" / script), *words], cwd=cwd or self.root, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={"PATH": str(self.bin), "TMPDIR": str(self.bin.parent)},
        )  # fmt: skip

    def run(self, script: str, *words: str, cwd: Path | None = None) -> tuple[int, str, str]:
        child = self.spawn(script, *words, cwd=cwd)
        out, err = child.communicate(timeout=LIMIT_S)
        return child.returncode, out, err

    def installs(self) -> list[str]:
        """What pip was told to install, each without its options."""
        lines = [line for line in self.log.read_text().splitlines() if " install " in line]
        return [line.rpartition("--editable ")[2].removeprefix(str(self.root)) for line in lines]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_the_first_run_installs_and_the_second_does_nothing(checkout: Checkout) -> None:
    for _ in range(2):
        assert checkout.run("graced", "status", "--json") == (0, "graced status --json\n", "")
    assert checkout.installs() == [""]


def test_it_works_from_any_folder_and_through_a_link(checkout: Checkout, tmp_path: Path) -> None:
    assert checkout.run("demo", cwd=tmp_path) == (0, "graced demo\n", "")
    link = tmp_path / "g"
    link.symlink_to(checkout.root / "scripts" / "graced")
    done = subprocess.run([link, "x"], capture_output=True, text=True, env={"PATH": str(checkout.bin)}, timeout=LIMIT_S)
    assert (done.returncode, done.stdout) == (0, "graced x\n")


def test_an_extra_is_added_and_kept(checkout: Checkout) -> None:
    for extras in ((), ("test",), (), ("dev",), ("test",)):
        assert checkout.run("bootstrap", *extras) == (0, "", "")
    assert checkout.installs() == ["", "[test]", "[test,dev]"]


def test_a_changed_pyproject_is_installed_again_with_its_extras(checkout: Checkout) -> None:
    checkout.run("bootstrap", "test")
    (checkout.root / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert checkout.run("bootstrap") == (0, "", "")
    assert checkout.installs() == ["[test]", "[test]"]


def test_two_at_once_install_once(checkout: Checkout) -> None:
    children = [checkout.spawn("bootstrap") for _ in range(4)]
    assert [child.communicate(timeout=LIMIT_S) for child in children] == [("", "")] * 4
    assert [child.returncode for child in children] == [0] * 4
    assert checkout.installs() == [""]


def test_a_moved_checkout_gets_a_new_venv(checkout: Checkout) -> None:
    checkout.run("bootstrap", "test")
    (checkout.root / ".venv" / "old").touch()
    checkout.root = checkout.root.rename(checkout.root.with_name("moved"))
    assert checkout.run("bootstrap") == (0, "", "")
    assert checkout.installs()[-1] == "[test]"
    assert not (checkout.root / ".venv" / "old").exists()


def test_what_pip_says_is_shown_when_it_fails_and_it_is_tried_again(checkout: Checkout) -> None:
    checkout.code.write_text("1")
    code, out, err = checkout.run("graced", "x")
    assert (code, out) == (1, "")
    assert err.startswith("graced: cannot install into")
    checkout.code.write_text("0")
    assert checkout.run("graced", "x") == (0, "graced x\n", "")


@pytest.mark.parametrize(
    ("bare", "old", "said"), [(1, 0, "python3-venv"), (0, 1, "Python 3.11 or newer (found: 3.9.1)")]
)
def test_what_is_missing_is_named_in_one_line(checkout: Checkout, bare: int, old: int, said: str) -> None:
    checkout.python(bare=bare, old=old)
    code, out, err = checkout.run("demo")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert said in err
    assert "python3-venv" in err
    assert not (checkout.root / ".venv").exists()


def test_an_interpreter_that_fits_is_found_beside_one_that_does_not(checkout: Checkout) -> None:
    checkout.python(old=1)
    checkout.python("python3.12")
    assert checkout.run("bootstrap") == (0, "", "")


@pytest.mark.skipif(sys.platform != "linux", reason="graced is for Linux")
def test_no_script_lost_its_right_to_run() -> None:
    scripts = [path for path in (ROOT / "scripts").iterdir() if path.is_file() and not path.suffix]
    assert [path.name for path in [*scripts, ROOT / ".ci" / "run"] if not os.access(path, os.X_OK)] == []
