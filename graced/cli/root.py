"""The table of commands, and what becomes of an error: one line and an exit code, never a traceback."""

import contextlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from typing import Any, Final, NoReturn

import click

from graced import __version__
from graced.cli.place import place_options
from graced.control.errors import EX_FAILED, EX_INTERRUPTED, Mistakes, Refusal

COMMANDS: Final = {
    "init": "write a commented graced.yaml and two small kernels to try",
    "demo": "the guided tour: watch processes die and come back",
    "start": "start everything, or the kernels named",
    "stop": "stop everything, or the kernels named",
    "restart": "restart kernels or members",
    "status": "what is wrong, and how your programs are",
    "why": "why one is as it is, when it is tried next, what would change it",
    "logs": "the logs of kernels (your programs) and members; without a name of all kernels",
    "incidents": "each failure: what, how it was found, what was done",
    "audit": "read the audit log, or verify its chain",
    "playbook": "list, show, validate and run playbooks",
    "approvals": "what waits for your word",
    "approve": "let a step that waits for you begin",
    "deny": "refuse a step that waits for you",
    "tasks": "the coding agent's queue",
    "fix": "mend Python files that do not compile, without a daemon",
    "config": "check and show the configuration",
    "service": "the systemd units: install, uninstall",
    "ls": "the homes that run on this machine",
    "doctor": "what this machine offers, and what graced does without",
    "help": "what a command does",
}
"""In the order of the help. Each is the click command `command` of graced.cli.NAME (`fix` of graced.cli.fix, …)."""

NO_FOLDER: Final = "the current folder does not exist any more: cd elsewhere, or give --config"

MODULE: Final = {"init": "init_", "config": "config_", "help": "help_"}
"""Where the module is not called as the command."""


WORDS_MAX: Final = 200
"""Characters shown of a text that is not UTF-8."""


class Graced(click.Group):
    """Imports a command when it is asked for, and ends every run with one line and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name in COMMANDS if importlib.util.find_spec(_module(name)) is not None]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        try:
            found: click.Command = importlib.import_module(_module(cmd_name)).command
        except ModuleNotFoundError as error:
            if error.name != _module(cmd_name):
                raise
            return None
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name and not name.startswith("-") and self.get_command(ctx, name) is None:
            from graced.yaml_source.problem import nearest

            hint = nearest(name, self.list_commands(ctx))
            hint = hint if hint.startswith("did") else "see `graced --help`"
            ctx.fail(f"there is no command {name!r}; {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name]) for name in self.list_commands(ctx)])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        share = _share()
        if share is not None:
            with formatter.section("More"):
                pad = " " * formatter.current_indent
                formatter.write(f"{pad}manual: man -M {share}/man graced\n")  # not wrapped: it is to be copied
                formatter.write(f"{pad}completions for bash, zsh and fish: below {share}\n")

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> NoReturn:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(AttributeError, ValueError):  # a terminal that cannot say `·` gets a `?`
                stream.reconfigure(errors="replace")  # type: ignore[union-attr]
        code = 0
        try:
            code = super().main(args, prog_name or "graced", complete_var, standalone_mode=False, **extra) or 0
            sys.stdout.flush()
        except click.ClickException as error:
            error.show()
            code = error.exit_code
        except (click.Abort, KeyboardInterrupt):
            code = EX_INTERRUPTED
        except Refusal as error:
            code = error.code
            tell(error)
        except BrokenPipeError:
            code = _no_reader()
        except UnicodeEncodeError as error:  # the last resort: whoever knows what it is for says so
            code = EX_FAILED
            click.echo(f"graced: {error.object[:WORDS_MAX]!a} is not UTF-8", err=True)
        except OSError as error:
            code = EX_FAILED
            click.echo(f"graced: {_words(error)}", err=True)
        sys.exit(code)


def tell(error: Refusal) -> None:
    """The lines of an error, on standard error."""
    text = str(error)
    click.echo(text if isinstance(error, Mistakes) else f"graced: {text}", err=True)


def _no_reader() -> int:
    """Whoever read our output has gone, as `head` does: no news, and no second error when Python flushes at exit."""
    with contextlib.suppress(OSError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
    return EX_FAILED


def no_folder() -> bool:
    """Has the folder that we were started in been deleted? Then no relative path means anything, `.graced` neither."""
    from graced.cli.out import folder_prefix

    return not folder_prefix()


def _words(error: OSError) -> str:
    if isinstance(error, FileNotFoundError) and no_folder():
        return NO_FOLDER
    where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
    return f"{where}{error.strerror or error}"


def _share() -> str | None:
    """Where pip has put manual pages and completions; in a checkout, where they are made."""
    checkout = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "share")
    for folder in (
        checkout,
        os.path.join(sys.prefix, "share"),
        os.path.join(os.path.expanduser("~"), ".local", "share"),
    ):
        if os.path.exists(os.path.join(folder, "man", "man1", "graced.1")):
            return folder
    return None


def _module(name: str) -> str:
    return f"graced.cli.{MODULE.get(name, name)}"


@click.group("graced", cls=Graced, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="graced", message="%(prog)s %(version)s")
@place_options
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Keeps processes running, mends the code that makes them crash, and keeps itself running.

    A kernel is a program of yours, named under `kernels:` in graced.yaml; a member is one of graced's own processes.
    """
    if os.environ.get("NO_COLOR"):
        ctx.color = False
