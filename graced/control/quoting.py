"""Paths as units of systemd and graced.yaml have them written."""

import json
import re
from typing import Final

from graced.control.errors import Refusal

_PLAIN_YAML: Final = re.compile(r"/[A-Za-z0-9_./@+-]*\Z")
_PLAIN_UNIT: Final = re.compile(r"[^\s\"'\\\x00-\x1f\x7f]+\Z")
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def unit_word(word: str, program: bool = False) -> str:
    """One word of a command line, as systemd.service(5) reads it; % begins a specifier, $ a variable.

    `program`: it is the first one, in which there are no variables.
    """
    word = word.replace("%", "%%")
    if not program:
        word = word.replace("$", "$$")
    if _PLAIN_UNIT.match(word):
        return word
    return '"' + "".join(_ESCAPES.get(char, char) for char in word) + '"'  # whole words alone may be quoted


def yaml_path(path: str) -> str:
    """A value of graced.yaml; `${` begins a variable there."""
    if _PLAIN_YAML.match(path):
        return path
    return json.dumps(path.replace("${", "$${"), ensure_ascii=False)


def demand_text(path: str) -> None:
    """Raises Refusal for a path that neither of them can name."""
    try:
        path.encode()
    except UnicodeEncodeError:
        raise Refusal(f"{path!a} is not UTF-8 text, which units of systemd and graced.yaml are") from None
