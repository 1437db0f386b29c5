"""What a recovery needs is loaded at birth: an import in the midst of one finds no file of the installation one day."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import graced

ROOT: Final = Path(graced.__file__).parent
OF_MEMBERS: Final = ("members", "home", "posix", "core", "audit", "store", "bus", "spec")
IN_WORKERS: Final = {
    "graced.members.targets", "graced.mending.apply", "graced.playbooks.actions", "graced.playbooks.perform",
    "graced.playbooks.web", "subprocess",
}  # fmt: skip
"""Imported by a worker alone, which tells of it and is tried again."""

OF_OTHERS: Final = {
    "psutil",  # a command that measures
    "graced.playbooks.load",  # a start whose kept playbooks cannot be read
    "graced.members.outer", "graced.members.spawner",  # the first milliseconds of a spawner, before it is one
}  # fmt: skip


def late_imports() -> dict[str, str]:
    """Module -> where it is imported inside of a function."""
    found: dict[str, str] = {}
    for folder in OF_MEMBERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            tree = ast.parse(path.read_text())
            for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.Lambda)):
                for node in ast.walk(function):
                    for module in _modules(node):
                        found[module] = f"{path.relative_to(ROOT)}:{node.lineno}"  # type: ignore[attr-defined]
    return found


def _modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module == "graced.members":
        return [f"graced.members.{alias.name}" for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        whole = [f"{node.module}.{alias.name}" for alias in node.names]
        return [name if (ROOT.parent / (name.replace(".", "/") + ".py")).exists() else node.module for name in whole]
    return []


def test_what_is_imported_late_is_loaded_in_the_spawner_before_it_forks() -> None:
    code = (
        "import json, sys\nfrom graced.members.process import preload\npreload()\nprint(json.dumps(list(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    late = late_imports()
    assert late, "there are such imports: the test sees them"
    missing = {module: where for module, where in late.items() if module not in loaded | IN_WORKERS | OF_OTHERS}
    assert missing == {}
    assert late.keys() >= {"ctypes", "setproctitle", "graced.mending.apply"}
