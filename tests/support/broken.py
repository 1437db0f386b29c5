"""The seed scenario: twenty files that do not compile, as they were found one morning, three of them a kernel's."""

from pathlib import Path
from typing import Final

BOM: Final = b"\xef\xbb\xbf"
KERNELS_OWN: Final = ("part0.py", "settings.py", "tool.py")

_MODULE: Final = """\
import json


class Part{n}:
    \"\"\"Number {n}.\"\"\"

    def __init__(self, name):
        self.name = name

    def dump(self):
        return json.dumps({{"name": self.name, "number": {n}}})


def make(name):
    return Part{n}(name)
"""

_NO_EXCEPT: Final = b"""\
import os


def settings(path):
    try:
        with open(path) as file:
            text = file.read()
    return text


def home():
    return os.environ.get("HOME", "/")
"""

_INDENT: Final = b"""\
def total(values):
    result = 0
    for value in values:
        result += value
      return result


def mean(values):
    return total(values) / len(values)
"""

_PARENTHESES: Final = b"""\
def show(name, count):
    print("name", name, "count", count
    return count


def twice(count):
    return count * 2
"""


def twenty() -> dict[str, bytes]:
    """Name -> bytes: 17 with a stray BOM inside, a missing except block, an indentation error, missing parentheses."""
    files = {}
    for n in range(17):
        text = _MODULE.format(n=n).encode()
        at = text.index(b"def dump") if n % 2 else text.index(b"class")
        files[f"part{n}.py"] = text[:at] + BOM + text[at:]
    return {**files, "settings.py": _NO_EXCEPT, "sums.py": _INDENT, "tool.py": _PARENTHESES}


KERNEL: Final = """\
import sys, time
sys.path.insert(0, {folder!r})
sys.dont_write_bytecode = True
import part0, settings, tool
print("imported", flush=True)
while True:
    time.sleep(0.5)
"""


def write(folder: Path) -> dict[str, bytes]:
    """Put them there; what was written."""
    files = twenty()
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return files
