"""`graced service install|uninstall`: the systemd units put in place and taken away, told line by line."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from graced.control.errors import Mistakes, Refusal, about
from graced.control.quoting import demand_text, unit_word, yaml_path

UNIT: Final = "graced.service"
SHIPPED_PROGRAM: Final = "/usr/bin/graced"
"""In the shipped units; replaced by the program that installs them."""

COMMAND_S: Final = 60.0
DROP_INS: Final = {"strict": "50-strict.conf", "own-user": "60-own-user.conf"}

GRACED_YAML: Final = """\
# What graced keeps running. `graced config check` looks for mistakes; `systemctl restart graced` does not read this
# file again, as everything goes on running: `systemctl stop graced`, then `start`, does.
version: 1
home: {home}

kernels: {{}}
# kernels:
#   hello:
#     command: [python3, -m, http.server, "8000"]
"""

Say = Callable[[str], None]


class Layout(Struct, frozen=True):
    """Where things go, for the whole system or for one user. `shipped`: as the shipped units call config and home."""

    of_user: bool
    units: str
    config: str
    home: str
    extra: dict[str, str]  # shipped file -> path
    shipped: tuple[str, str]


def layout(of_user: bool, config: str | None = None, home: str | None = None) -> Layout:
    """config, home: elsewhere than usual. Where the configuration is there already, it says which home.

    Raises Refusal where it cannot be read, or names another home than `home`: the service and the commands would be
    about two.
    """
    standard = usual(of_user)
    file = os.path.abspath(config or standard.config)
    wanted = os.path.abspath(home) if home else ""
    if not os.path.exists(file):
        return replace(standard, config=file, home=wanted or standard.home)
    from graced.config.load import ConfigError, home_only
    from graced.spec.config import DEFAULT_HOME
    from graced.yaml_source.scalars import absolute

    environ = {name: value for name, value in os.environ.items() if name != "GRACED_HOME"}  # the service's has none
    try:
        said = home_only(file, environ)
    except ConfigError as error:
        raise Mistakes(error) from None
    if wanted and said not in (wanted, absolute(file, DEFAULT_HOME)):  # the latter: the file says nothing
        raise Refusal(
            f"{file} says that the home is {said}: leave out --home, or write home: {yaml_path(wanted)} there"
        )
    return replace(standard, config=file, home=wanted or said)


def usual(of_user: bool) -> Layout:
    """Where the service of the system or of a user is when nobody says otherwise."""
    if not of_user:
        extra = {
            "graced.tmpfiles.conf": "/etc/tmpfiles.d/graced.conf",
            "graced.sysusers.conf": "/etc/sysusers.d/graced.conf",
        }
        config, home = "/etc/graced/graced.yaml", "/var/lib/graced"
        return Layout(False, "/etc/systemd/system", config, home, extra, (config, home))
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    home = os.path.expanduser("~/.local/state/graced")
    shipped = ("%E/graced/graced.yaml", "%h/.local/state/graced")
    return Layout(True, f"{base}/systemd/user", f"{base}/graced/graced.yaml", home, {}, shipped)


def shipped_folder() -> str:
    """The units that come with graced: inside an installed package, or at the top of a checkout."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    installed = os.path.join(package, "shipped", "systemd")
    return installed if os.path.isdir(installed) else os.path.join(os.path.dirname(package), "systemd")


def program() -> str:
    """How the units call graced: the script that is running, else the interpreter with the package."""
    script = os.path.abspath(sys.argv[0])
    if os.path.basename(script) != "graced" or not os.access(script, os.X_OK):
        beside = os.path.join(os.path.dirname(sys.executable), "graced")
        script = beside if os.access(beside, os.X_OK) else ""
    words = [script] if script else [sys.executable, "-P", "-m", "graced"]
    return " ".join(unit_word(word, program=not index) for index, word in enumerate(words))


def install(place: Layout, drop_ins: list[str], say: Say) -> None:
    """Raises Refusal. Nothing is started."""
    of_user = place.of_user
    _demand_rights(of_user)
    for path in (place.config, place.home):
        demand_text(path)
    for source, target in _files(place, drop_ins):
        _put(source, target, place, say)
    if not os.path.exists(place.config):
        _write(place.config, GRACED_YAML.format(home=yaml_path(place.home)), 0o644, say)
    else:
        say(f"kept {place.config}")
    if of_user and not os.path.isdir(place.home):
        os.makedirs(place.home, 0o700)
        say(f"made {place.home}")
    if "own-user" in drop_ins:
        _do(["systemd-sysusers", place.extra["graced.sysusers.conf"]], say)
    if not systemd_runs():
        say(f"systemd does not run here; at the next boot: {_line(of_user, 'enable', '--now', UNIT)}")
        return
    _do(_systemctl(of_user, "daemon-reload"), say)
    _do(_systemctl(of_user, "enable", UNIT), say)
    if of_user:
        say("for a start at boot, and for life after your last logout: loginctl enable-linger")
    say(f"next: put your kernels into {place.config}, then {_line(of_user, 'start', UNIT)}")


def uninstall(place: Layout, say: Say) -> None:
    """Stops it and removes what `install` has written. The configuration and the home are kept. Raises Refusal."""
    of_user = place.of_user
    _demand_rights(of_user)
    targets = [target for _, target in _files(place, list(DROP_INS)) if os.path.lexists(target)]
    if not targets:
        raise Refusal(f"nothing of graced is in {place.units}")
    if systemd_runs():
        _do(_systemctl(of_user, "disable", "--now", UNIT), say)
    for target in targets:
        try:
            os.unlink(target)
        except OSError as error:
            raise about(error, f"cannot remove {target}") from None
        say(f"removed {target}")
    drop_in = os.path.join(place.units, f"{UNIT}.d")
    if os.path.isdir(drop_in) and not os.listdir(drop_in):
        os.rmdir(drop_in)
    if systemd_runs():
        _do(_systemctl(of_user, "daemon-reload"), say)
    for path in (place.config, place.home):
        if os.path.exists(path):
            say(f"kept {path}")


def systemd_runs() -> bool:
    """As sd_booted(3)."""
    return os.path.isdir("/run/systemd/system")


def _demand_rights(of_user: bool) -> None:
    if not of_user and os.geteuid() != 0:
        raise Refusal("only root may install a service of the system; `sudo graced service …`, or add --user")


def _files(place: Layout, drop_ins: list[str]) -> Iterator[tuple[str, str]]:
    """(shipped file, where it goes)."""
    folder = shipped_folder()
    for name in (UNIT, "graced-sweep.service"):
        yield os.path.join(folder, *(["user"] if place.of_user else []), name), os.path.join(place.units, name)
    for name, target in place.extra.items():
        yield os.path.join(folder, name), target
    for name in drop_ins:
        yield os.path.join(folder, "drop-ins", f"{name}.conf"), os.path.join(place.units, f"{UNIT}.d", DROP_INS[name])


def _put(source: str, target: str, place: Layout, say: Say) -> None:
    try:
        with open(source, encoding="utf-8") as file:
            text = file.read()
    except OSError as error:
        raise about(error, f"cannot read {source}, which comes with graced") from None
    if target.endswith(".service"):
        standard = usual(place.of_user)
        text = text.replace(SHIPPED_PROGRAM, program())
        for shipped, name, wanted in zip(place.shipped, ("config", "home"), (place.config, place.home), strict=True):
            if wanted != getattr(standard, name):  # else as shipped, with systemd's own specifiers
                text = text.replace(f"--{name}={shipped}", unit_word(f"--{name}={wanted}"))
    _write(target, text, 0o644, say)


def _write(path: str, text: str, mode: int, say: Say) -> None:
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(f"{path}.new", "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(f"{path}.new", mode)
        os.rename(f"{path}.new", path)
    except OSError as error:
        raise about(error, f"cannot write {path}") from None
    say(f"wrote {path}")


def _systemctl(of_user: bool, *words: str) -> list[str]:
    return ["systemctl", *(["--user"] if of_user else []), *words]


def _line(of_user: bool, *words: str) -> str:
    return " ".join(_systemctl(of_user, *words))


def _do(argv: list[str], say: Say) -> None:
    """Runs a command of systemd's; what it says against it is the Refusal."""
    if shutil.which(argv[0]) is None:
        raise Refusal(f"{argv[0]} is not installed")
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=COMMAND_S, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        raise Refusal(f"`{' '.join(argv)}`: {error}") from None
    if done.returncode:
        raise Refusal(f"`{' '.join(argv)}`: {' '.join(done.stderr.split()) or f'exit {done.returncode}'}")
    say(f"ran {' '.join(argv)}")
