"""Files that are none of a repair's business, recognised before anything is searched: pure functions of name and text.

A file that does not compile may be right all the same: for another Python, for another language, as the input of a
template engine or of a parser's tests. What mends it breaks it. `why_left` asks the tables below in order.
"""

from collections.abc import Callable
from typing import Final

from graced.repair.aside import data, dialects, intended, templates, versions

Recogniser = Callable[[str, str], str | None]
"""(path, text) to why the file is left alone, in words that end a sentence beginning with "left alone: "."""

RECOGNISERS: Final[tuple[Recogniser, ...]] = (
    intended.is_off, intended.is_broken_on_purpose, intended.is_generated, data.is_data, templates.is_template,
    dialects.is_dialect, versions.says_python2,
)  # fmt: skip


def why_left(path: str, text: str) -> str | None:
    """Why the file is not to be mended, or None. `path` is best given relative to the folder that is watched."""
    for recogniser in RECOGNISERS:
        why = recogniser(path, text)
        if why is not None:
            return why
    return None
