"""Why a file that is there cannot be executed: what execve(2) says of it is "No such file or directory"."""

import os
from collections.abc import Mapping
from typing import Final

HEAD_BYTES: Final = 256
"""Of the first line the system reads no more."""

ELF: Final = b"\x7fELF"
ENV: Final = "env"


def fault(path: str, env: Mapping[str, str]) -> str:
    """What is wrong with the first line of an executable file, as the end of a sentence about it; empty for nothing."""
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError:
        return ""
    if head.startswith(ELF):
        return ""
    if not head.startswith(b"#!"):
        return "it has no #! line that names its interpreter, and is no program itself"
    line = os.fsdecode(head[2:].split(b"\n", 1)[0])
    words = line.strip(" \t").split(None, 1) if line.strip() else []
    if line.endswith("\r"):
        return "its #! line ends in CR LF, as in files from Windows; convert it: sed -i 's/\\r$//' FILE"
    if not words:
        return "its #! line names no interpreter"
    interpreter = words[0]
    if not os.path.isabs(interpreter) or not os.path.exists(interpreter):
        return f"its #! line names {interpreter}, which does not exist"
    if not os.access(interpreter, os.X_OK):
        return f"its #! line names {interpreter}, which is not executable"
    if os.path.basename(interpreter) == ENV and len(words) > 1:
        return _env_fault(words[1].split(), env)
    return ""


def _env_fault(words: list[str], env: Mapping[str, str]) -> str:
    """Of `#!/usr/bin/env NAME`: env(1) looks NAME up on PATH."""
    if words and words[0] in ("-S", "--split-string"):
        words = words[1:]
    names = [word for word in words if "=" not in word]
    if not names or names[0].startswith("-"):
        return ""
    folders = env.get("PATH", os.defpath).split(":")
    found = "/" in names[0] or any(os.access(os.path.join(folder or ".", names[0]), os.X_OK) for folder in folders)
    return "" if found else f"its #! line asks env for {names[0]}, which is not on PATH"
