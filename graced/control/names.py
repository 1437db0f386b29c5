"""NAME as people write it, to names of kernels: a name, a glob, @GROUP, or the name of a kernel with replicas."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

from graced.control.errors import Refusal, unknown
from graced.spec.config import Kernel

GLOB: Final = frozenset("*?[")


def expand(words: Sequence[str], kernels: Mapping[str, Kernel], members: Sequence[str] = ()) -> list[str]:
    """Each name once, in the order asked for. `kernels`: those that run, replicas one by one; `members`: names that are
    allowed beside them (never meant by a glob). Raises Refusal, exit code 4, for a word that means nothing.
    """
    found: dict[str, None] = {}
    for word in words:
        found.update(dict.fromkeys(_meant(word, kernels, members)))
    return list(found)


def known(words: Sequence[str], kernels: Mapping[str, Kernel], members: Sequence[str], drift: str) -> list[str]:
    """As `expand`; a name that means nothing may be of a file that changed since: then `drift` is said too."""
    try:
        return expand(words, kernels, members)
    except Refusal as error:
        if drift:
            raise Refusal(f"{error}; {drift}", error.code) from None
        raise


def _meant(word: str, kernels: Mapping[str, Kernel], members: Sequence[str]) -> list[str]:
    if word in kernels or word in members:
        return [word]
    if word.startswith("@"):
        names = [name for name, kernel in kernels.items() if word[1:] in kernel.groups]
        if not names:
            groups = {f"@{group}" for kernel in kernels.values() for group in kernel.groups}
            raise unknown("group", word, sorted(groups))
        return names
    bases = {kernel.replica_of: None for kernel in kernels.values() if kernel.replica_of is not None}
    if word in bases:
        return [name for name, kernel in kernels.items() if kernel.replica_of == word]
    if GLOB & set(word):
        names = [name for name in kernels if fnmatchcase(name, word)]
        if names:
            return names
    raise unknown("kernel or member" if members else "kernel", word, [*kernels, *bases, *members])


def needed(specs: Mapping[str, Kernel], names: Sequence[str]) -> list[str]:
    """The names and all that they depend on, dependencies first."""
    seen: dict[str, None] = {}

    def visit(name: str) -> None:
        if name in seen or name not in specs:
            return
        for need in specs[name].depends_on:
            visit(need.name)
        seen.setdefault(name)

    for name in names:
        visit(name)
    return list(seen)
