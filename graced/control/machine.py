"""What `graced config check` finds on this machine: programs, folders and users that are named and are not there, and
words that only a shell understands.

A file may be right and the machine not be ready for it, so `start` does not look: what is missing then is the reason
that status gives.
"""

import errno
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Final

from graced.config.environment import environment_of
from graced.config.load import Loaded
from graced.posix.shebang import fault
from graced.posix.spawn import SHELL_HINT, SHELL_WORDS, resolve
from graced.posix.users import credentials
from graced.spec.config import Kernel
from graced.yaml_source.node import Node
from graced.yaml_source.problem import Problem, join

OPERATORS: Final = frozenset({"&&", "||", "|", ";", "&", ">", ">>", "<", "<<<", "2>", "2>&1", "&>", "1>"})
INTERPRETERS: Final = re.compile(r"(python|pypy)[0-9.]*|node|ruby|perl|bash|sh|dash|zsh")
NO_SCRIPT: Final = frozenset({"-c", "-m", "-e", "-E", "-", "--", "-p", "--eval", "--print"})
"""Options after which no file of a script is named."""

WITH_VALUE: Final = frozenset({"-W", "-X"})
"""Options of Python that are followed by a word of theirs."""


def machine_problems(loaded: Loaded, environ: Mapping[str, str]) -> list[Problem]:
    """In the order of the files. `environ`: what kernels would inherit."""
    if loaded.root is None:
        return []
    found = list(_of_agent(loaded, loaded.root, environ))
    kernels = loaded.root.get("kernels")
    for key, node in kernels.pairs if kernels is not None else ():
        spec = loaded.config.kernels.get(key.text)
        if spec is None:
            continue
        for name, message, hint in _of_kernel(spec, node, environ):
            pair = node.pair(name.partition(".")[0])
            at = pair[1] if pair is not None else key
            path = join(join("kernels", key.text), name.partition(".")[0]) + "".join(name.partition(".")[1:])
            found.append(Problem(at.file, at.line, at.column, path, message, hint))
    return found


def _of_agent(loaded: Loaded, root: Node, environ: Mapping[str, str]) -> Iterator[Problem]:
    agent = loaded.config.coding_agent
    node = root.get("coding_agent")
    backend = agent.backend.command if agent.backend is not None else None
    for name, argv in (("verify", agent.verify), ("backend", backend)):
        pair = node.pair(name) if node is not None else None
        wrong = _program(argv, loaded.config.folder, environ) if argv and pair is not None else None
        if pair is not None and wrong is not None:
            at = pair[1]
            yield Problem(at.file, at.line, at.column, f"coding_agent.{name}", *wrong)


def _of_kernel(spec: Kernel, node: Node, environ: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """(key, what is wrong, hint)."""
    if not os.path.isdir(spec.cwd):
        what = "is no folder" if os.path.exists(spec.cwd) else "there is no such folder"
        yield "cwd", f"{spec.cwd}: {what}", ""
    try:
        who = credentials(spec.user, spec.group)
        if who is not None and os.geteuid() != 0:
            yield (
                ("user" if spec.user else "group"),
                "takes root, and this is none",
                "start graced as root, or as that user",
            )
    except OSError as error:
        yield ("user" if "user" in str(error.strerror) else "group"), _text(error), ""
    try:
        env = environment_of(environ, spec)
    except (OSError, ValueError):
        return  # told by the reading of `env_file`
    written = node.get("command")
    if written is not None:
        wrong = _shell_words(written, spec) or _program(spec.command, spec.cwd, env)
        if wrong is not None:
            yield "command", *wrong
    if spec.stop.command is not None:
        wrong = _program(spec.stop.command, spec.cwd, env)
        if wrong is not None:
            yield "stop.command", *wrong
    for socket in spec.sockets:
        folder = os.path.dirname(socket.path) if socket.path else ""
        if folder and not os.path.isdir(folder):
            yield "sockets", f"{socket.path}: there is no such folder", ""


def _shell_words(node: Node, spec: Kernel) -> tuple[str, str] | None:
    """What means something to a shell alone, in a command that is one string; quoted it is meant as it is."""
    if node.kind == "scalar":
        lexer = shlex.shlex(node.text, posix=False, punctuation_chars="&|;<>")
        lexer.whitespace_split = True
        try:
            words = list(lexer)
        except ValueError:
            return None
        operator = next((word for word in words if word in OPERATORS or word.rstrip("&|;<>") != word), None)
        if operator is not None:
            return f"{operator!r} is of a shell, and none runs here", SHELL_HINT
    first = spec.command[0]
    if first in SHELL_WORDS:
        return f"{first!r} is a command of the shell, and none runs here", SHELL_HINT
    if re.fullmatch(r"[A-Za-z_]\w*=.*", first):
        return f"{first!r} sets a variable in a shell, and none runs here", "use `env`"
    if first.startswith("~"):
        return f"{first!r}: ~ is not replaced by a folder, as no shell runs here", "write ${HOME}"
    return None


def _program(argv: tuple[str, ...], cwd: str, env: Mapping[str, str]) -> tuple[str, str] | None:
    try:
        path = resolve(argv[0], env, cwd)
    except OSError as error:
        text = _text(error).removeprefix("command ")
        return text, ("" if os.path.isdir(cwd) else "see its cwd")
    wrong = fault(path, env)
    if wrong:
        return f"{argv[0]}: {wrong.replace('FILE', path)}", ""
    script = _script(argv)
    if script and os.path.isdir(cwd) and not os.path.exists(os.path.join(cwd, script)):
        return f"{script}: no such file in {cwd}", ""
    return None


def _script(argv: tuple[str, ...]) -> str:
    """The file that an interpreter is to run; empty where that is not plain."""
    name = os.path.basename(argv[0])
    if not INTERPRETERS.fullmatch(name):
        return ""
    words = iter(argv[1:])
    for word in words:
        if word in NO_SCRIPT or any(word.startswith(option) for option in ("-c", "-m")):
            return ""
        if word in WITH_VALUE:
            next(words, None)
        elif not word.startswith("-"):
            return word
        elif not name.startswith(("python", "pypy")):
            return ""
    return ""


def _text(error: OSError) -> str:
    return str(error.strerror or os.strerror(error.errno or errno.EIO))
