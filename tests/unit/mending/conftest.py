"""Another Python than ours, for tests that ask one."""

import stat
import sys
from pathlib import Path

import pytest


@pytest.fixture
def older(tmp_path: Path) -> str:
    """An interpreter that says that it is 3.8, and knows no match statement: ours with a word before it."""
    script = tmp_path / "python3.8"
    script.write_text(
        f"#!{sys.executable} -S\nimport sys, builtins\nreal = builtins.compile\n"
        "def compile(source, *rest, **keys):\n"
        "    if b'match ' in source: raise SyntaxError('invalid syntax')\n"
        "    return real(source, *rest, **keys)\n"
        "builtins.compile = compile\n"
        "sys.version_info = (3, 8)\n"
        "exec(real(sys.argv[sys.argv.index('-c') + 1], '<server>', 'exec'))\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return str(script)
