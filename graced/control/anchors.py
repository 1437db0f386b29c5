"""The heads of a home's audit log that were told outside of it, for `graced audit verify --anchor`."""

import subprocess
from typing import Final

from graced.audit import anchor
from graced.audit.read import Anchor
from graced.control.errors import EX_USAGE, Refusal, about
from graced.home.kept import kept_config
from graced.home.paths import Home

CONFIGURED: Final = "configured"


def told_outside(home: Home, where: str) -> list[Anchor]:
    """The anchors that `where` names: CONFIGURED, `journal`, SEQ:HASH or a file. Raises Refusal without any."""
    given = anchor.given(where)
    if given is not None:
        return [given]
    source = _configured(home) if where == CONFIGURED else where
    try:
        found = anchor.from_journal(home.id()) if source == "journal" else anchor.from_file(source, home.id())
    except OSError as error:
        raise about(error, f"the anchors in {source} cannot be read") from None
    except subprocess.SubprocessError:
        raise Refusal("journalctl failed; give the head as --anchor SEQ:HASH") from None
    if not found:
        raise Refusal(f"{source} has no head of this home (its id is {home.id()})")
    return found


def _configured(home: Home) -> str:
    target = kept_config(home).audit.anchor
    if target is None:
        raise Refusal("nothing tells the head outside: set `audit: {anchor: ...}`, or give --anchor SEQ:HASH", EX_USAGE)
    if target.file is not None:
        return target.file
    if target.log == "journal":
        return "journal"
    raise Refusal("what a command or syslog was told cannot be read back; give it as --anchor SEQ:HASH", EX_USAGE)
