"""A file's own past: earlier texts of it that compiled, newest first, from what graced kept and from git.

The fault of a file that was whole lies in what changed since; so the engine is given these texts to compare with.
"""

from collections.abc import Sequence
from typing import Final

from graced.mending.git import earlier_texts
from graced.mending.interpreter import Checker
from graced.mending.kept_texts import kept
from graced.mending.put import digest
from graced.mending.repository import repository_of
from graced.repair.text import decode

TEXTS_MAX: Final = 4
"""Earlier texts that are given to the engine: more would cost more than they tell."""


def past_of(
    path: str, source: bytes, checker: Checker, folder: str = "", good: Sequence[str] = (), disowned: Sequence[str] = ()
) -> tuple[str, ...]:
    """`folder` and `good`: where texts are kept, and the hashes of those of this file; git is asked for the rest.

    `disowned`: hashes of texts that a person took back (an undone fix): never given. Newlines are those of `source`.
    """
    texts = [text for sha256 in good if (text := kept(folder, sha256)) is not None] if folder else []
    repository = repository_of(path)
    if repository is not None and repository.trusted():
        texts += earlier_texts(repository, path)
    windows = source.count(b"\r\n") * 2 > source.count(b"\n")
    found: dict[str, None] = {}
    for text in texts:
        if len(found) >= TEXTS_MAX:
            break
        if text != source and digest(text) not in disowned and checker.error(text) is None:
            plain = decode(text).text.replace("\r\n", "\n")
            found[plain.replace("\n", "\r\n") if windows else plain] = None
    return tuple(found)
