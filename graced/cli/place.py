"""--config and --home, before or behind the subcommand, and what they lead to: a home, a configuration."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from graced.control.errors import EX_CONFIG, EX_USAGE, Mistakes, Refusal, about
from graced.control.owner import act_as_owner
from graced.home.paths import Home

if TYPE_CHECKING:
    from graced.config.load import Loaded

F = TypeVar("F", bound=Callable[..., Any])


class Place:
    """Where graced is, as the command line says."""

    def __init__(self) -> None:
        self.config: str | None = None
        self.home: str | None = None

    def home_dir(self) -> Home:
        """The home. Of the configuration only `home` is read; other mistakes in it do not matter.

        Root acts as the owner of the home from here on. Raises Refusal, also for a home of another user: it would
        look like one where nothing runs.
        """
        home = Home(self._root())
        command = click.get_current_context(silent=True)
        try:
            act_as_owner(home, (command.info_name or "" if command is not None else ""))
            os.listdir(home.run)
        except PermissionError as error:
            raise about(error, f"cannot look into {home.root}") from None
        except NotADirectoryError as error:
            raise about(error, f"cannot use {home.root} as home") from None
        except OSError:  # there is none yet; whoever needs it will say so
            pass
        return home

    def _root(self) -> str:
        given = self.home or os.environ.get("GRACED_HOME")
        if given and (self.config is None or os.path.exists(self.config)):
            return given  # without reading YAML
        from graced.config.load import ConfigError, find, home_only

        try:
            return home_only(find(self.config, os.environ), os.environ, self.home)
        except ConfigError as error:
            raise Mistakes(error) from None

    def load(self) -> "Loaded":
        """The whole configuration. Raises Refusal with every mistake in it."""
        from graced.config.load import ConfigError, find, read
        from graced.yaml_source.node import is_utf8

        try:
            loaded = read(find(self.config, os.environ), os.environ, self.home)
        except ConfigError as error:
            raise Mistakes(error) from None
        for path in (loaded.config.home, loaded.config.folder):  # both are kept as JSON
            if not is_utf8(path):
                raise Refusal(f"{path!a} is not UTF-8 text: give another folder by --home and --config", EX_CONFIG)
        return loaded


def _store(name: str) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    def store(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
        if value == "":
            what = "a file" if name == "config" else "a folder"
            raise Refusal(
                f"--{name} is empty: name {what}, or leave it out", EX_CONFIG if name == "config" else EX_USAGE
            )
        if value is not None:
            setattr(ctx.ensure_object(Place), name, value)
        return value

    return store


def place_options(command: F) -> F:
    """Adds --config and --home; their values are in the Place of the context."""
    return _with(command, home="the folder with state, logs and sockets", config="the graced.yaml to use")


def unplaced_options(command: F) -> F:
    """Adds the same to a command for which they mean nothing: every command takes them."""
    words = "taken as everywhere; without effect here"
    return _with(command, home=words, config=words)


def _with(command: F, **options: str) -> F:
    for name, words in options.items():
        option = click.option(
            f"--{name}", metavar="PATH", help=words, expose_value=False, is_eager=True, callback=_store(name)
        )
        command = option(command)
    return command


pass_place = click.make_pass_decorator(Place, ensure=True)
"""Gives a command the Place as its first argument."""
