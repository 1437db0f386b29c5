"""What Python text becomes in SQLite, which takes valid Unicode only.

A path must come back byte for byte, so one that is no UTF-8 is stored as its bytes; words for people get U+FFFD.
"""

import os
from typing import Final

TEXT_MAX: Final = 4096
"""Characters kept of evidence, a reason, an error, the text of a step."""


def words(value: str) -> str:
    """Text for people: valid, and of at most TEXT_MAX characters."""
    short = value if len(value) <= TEXT_MAX else value[: TEXT_MAX - 1] + "…"
    return short if short.isascii() else short.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def is_valid(text: str) -> bool:
    """Is it Unicode? An argument or a path with other bytes than UTF-8 is not, and nothing stored is called so."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def path_in(path: str) -> str | bytes:
    """A path as it is stored, and as a message carries it."""
    return path if is_valid(path) else os.fsencode(path)


def path_out(stored: str | bytes) -> str:
    """The path that `path_in` stored, as Python has it."""
    return stored if isinstance(stored, str) else os.fsdecode(stored)
