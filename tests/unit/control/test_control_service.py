"""`graced service` and `graced doctor`, without a systemd."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from graced.cli.root import cli
from graced.config.load import home_only
from graced.control import service, sweep
from graced.control.doctor import CHECKS, examine
from graced.control.errors import Refusal
from graced.control.quoting import unit_word


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> service.Layout:
    """A system of its own, whose systemd does not run."""
    monkeypatch.setattr(service, "systemd_runs", lambda: False)
    monkeypatch.setattr(service, "_demand_rights", lambda of_user: None)
    return replace(
        service.layout(False, str(tmp_path / "graced.yaml"), str(tmp_path / "the home")),
        units=str(tmp_path / "units"),
        extra={"graced.tmpfiles.conf": str(tmp_path / "tmpfiles"), "graced.sysusers.conf": str(tmp_path / "sysusers")},
    )


def test_install_says_what_it_wrote_and_that_is_there(place: service.Layout) -> None:
    said: list[str] = []
    service.install(place, ["strict"], said.append)
    wrote = [line.removeprefix("wrote ") for line in said if line.startswith("wrote ")]
    assert {Path(path).name for path in wrote} == {
        "graced.service", "graced-sweep.service", "tmpfiles", "sysusers", "50-strict.conf", "graced.yaml",
    }  # fmt: skip
    assert all(Path(path).is_file() for path in wrote)
    unit = Path(place.units, "graced.service").read_text()
    assert service.SHIPPED_PROGRAM not in unit
    assert f"ExecStart={service.program()} start --foreground" in unit
    assert f'"--home={place.home}"' in unit, "with a blank in it"
    assert f"--config={place.config}" in unit
    assert "at the next boot" in said[-1]


def test_where_nothing_else_is_said_the_units_are_as_shipped(tmp_path: Path) -> None:
    for of_user in (False, True):
        usual = service.layout(of_user)
        shipped = Path(service.shipped_folder(), *(["user"] if of_user else []), "graced.service").read_text()
        assert all(path in shipped for path in usual.shipped)


def test_install_keeps_a_configuration_that_is_there(place: service.Layout) -> None:
    Path(place.config).write_text("version: 1\n")
    said: list[str] = []
    service.install(place, [], said.append)
    assert f"kept {place.config}" in said
    assert Path(place.config).read_text() == "version: 1\n"


@pytest.mark.parametrize("name", ["the home", "x: #y/h", "- a", 'say "so"', "50%$HOME${A}", "back\\slash", "Übung"])
def test_the_configuration_that_it_writes_is_right(place: service.Layout, tmp_path: Path, name: str) -> None:
    home = str(tmp_path / name)
    service.install(replace(place, home=home), [], lambda line: None)
    done = CliRunner().invoke(cli, ["config", "check", place.config])
    assert done.exit_code == 0, done.output
    assert home_only(place.config, {}) == home


def test_a_configuration_that_is_there_says_which_home(place: service.Layout) -> None:
    Path(place.config).write_text("home: state\nkernels: {}\n")
    its = str(Path(place.config).parent / "state")
    assert service.layout(False, place.config).home == its
    assert service.layout(False, place.config, its).home == its
    with pytest.raises(Refusal, match="says that the home is"):
        service.layout(False, place.config, "/elsewhere")
    Path(place.config).write_text("home: [\n")
    with pytest.raises(Refusal):
        service.layout(False, place.config)


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("--home=/var/lib", "--home=/var/lib"),
        ("--home=/a b", '"--home=/a b"'),
        ('/a"b', '"/a\\"b"'),
        ("/a\\b", '"/a\\\\b"'),
        ("/50%$A", "/50%%$$A"),
        ("it's", '"it\'s"'),
    ],
)
def test_words_are_quoted_as_systemd_reads_them(word: str, written: str) -> None:
    assert unit_word(word) == written


def test_a_path_that_no_unit_can_name_is_refused(place: service.Layout) -> None:
    with pytest.raises(Refusal, match="UTF-8"):
        service.install(replace(place, home="/\udcff"), [], lambda line: None)
    assert not Path(place.units).exists()


def test_uninstall_leaves_what_is_yours(place: service.Layout) -> None:
    service.install(place, ["strict"], lambda line: None)
    said: list[str] = []
    service.uninstall(place, said.append)
    assert f"kept {place.config}" in said
    assert list(Path(place.units).iterdir()) == []
    with pytest.raises(Refusal, match="nothing of graced"):
        service.uninstall(place, said.append)


@pytest.mark.parametrize("name", ["graced.service", "graced-sweep.service"])
@pytest.mark.parametrize("folder", [".", "user"])
def test_every_line_of_the_units_is_explained(name: str, folder: str) -> None:
    page = Path(service.shipped_folder()).parent / "docs" / "systemd.md"
    explained = page.read_text()
    for line in (Path(service.shipped_folder()) / folder / name).read_text().splitlines():
        key = line.partition("=")[0]
        known = ("Description", "ExecStart", "WantedBy", "RemainAfterExit", "ExecStop", "Before", "TimeoutStopSec")
        if "=" in line and key not in known and not key.startswith(("Protect", "Lock")) and name == "graced.service":
            assert f"{key}=" in explained, line


def test_the_sweep_does_nothing_where_it_cannot_be_sure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no systemctl
    assert sweep.over(False) is False
    assert sweep.sweep(str(tmp_path), False) == 0


@pytest.mark.parametrize(
    ("told", "over"),
    [
        ("ActiveState=inactive\nJob=\n", True),
        ("Job=0\nActiveState=failed\n", True),
        ("ActiveState=inactive\nJob=123\n", False),
        ("ActiveState=activating\n", False),
        ("ActiveState=active\nJob=\n", False),
        ("ActiveState=deactivating\n", False),
        ("", False),
    ],
)
def test_the_sweep_asks_before_it_kills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str, over: bool) -> None:
    fake = tmp_path / "systemctl"
    fake.write_text(f"#!/bin/sh\nprintf '{told.replace(chr(10), chr(92) + 'n')}'\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert sweep.over(False) is over


def test_doctor_looks_at_everything_and_names_what_it_does_instead(tmp_path: Path) -> None:
    findings = examine(str(tmp_path / "not" / "there"))
    assert len(findings) == len(CHECKS)
    assert all(finding.found for finding in findings)
    assert all(finding.instead for finding in findings if not finding.ok)
    assert not (tmp_path / "not").exists(), "nothing is changed"


def test_doctor_prints_json_and_is_never_a_failure(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["doctor", "--json", "--home", str(tmp_path)])
    assert done.exit_code == 0
    assert {row["name"] for row in json.loads(done.output)["findings"]} >= {"pidfd", "cgroup v2", "log rotation"}


@pytest.mark.parametrize("possible", [True, False])
def test_doctor_tries_namespaces_and_does_not_trust_sysctls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, possible: bool
) -> None:
    monkeypatch.setattr("graced.mending.verify.can_stand_in", lambda: possible)
    found = {finding.name: finding.ok for finding in examine(str(tmp_path))}
    assert found["user namespaces"] is possible
