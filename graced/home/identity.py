"""Which home a folder is: an id, and the place that the id was given for.

An id that is only a file is copied with the folder, and then two homes take each other's processes for their own. So
`place` notes where the id belongs: device, inode and path of the home. Elsewhere it is the id of another home:
nothing that is recorded there (holders of roles, runs of kernels, an announced stop) is of this one, and a start
takes a new id.

The one exception is the same folder seen through another mount, as a container's home is from outside: its path differs
there, and a holder of a role sees it at the path that is noted.
"""

import contextlib
import os
import string
from collections.abc import Iterable

import msgspec

from graced.posix.files import read_small, write_over
from graced.posix.undecodable import UNDECODABLE

ID_HEX = 32
PLACE_BYTES = 16 * 1024
"""Most that is read of either file: a path has 4,096 bytes, each of six in JSON at worst."""


class Place(msgspec.Struct, frozen=True):
    """Where the home of this id is; `path` is the real one, without symlinks."""

    id: str
    dev: int
    ino: int
    path: str

    def is_at(self, other: "Place") -> bool:
        return (self.dev, self.ino, self.path) == (other.dev, other.ino, other.path)


def id_file(root: str) -> str:
    return os.path.join(root, "id")


def place_file(root: str) -> str:
    return os.path.join(root, "place")


def is_id(text: str) -> bool:
    """Is it one that was made here: 32 lower-case hex digits?"""
    return len(text) == ID_HEX and all(letter in string.hexdigits and not letter.isupper() for letter in text)


def new_id() -> str:
    return os.urandom(ID_HEX // 2).hex()


def here(root: str, id: str) -> Place:
    """The note that the home of this id is in this folder. Raises OSError."""
    found = os.stat(root)
    return Place(id, found.st_dev, found.st_ino, os.path.realpath(root))


def encode(place: Place) -> bytes:
    return msgspec.json.encode(place)


def noted(root: str) -> Place | None:
    """The note as it stands; None without one that can be read."""
    try:
        place = msgspec.json.decode(read_small(place_file(root), PLACE_BYTES), type=Place)
    except (OSError, *UNDECODABLE):
        return None
    return place if is_id(place.id) else None


def known_id(root: str) -> str | None:
    """The id by the note, else by the id's own file; None where neither can be read. Whether it is this home's:
    `is_at_home`."""
    place = noted(root)
    if place is not None:
        return place.id
    try:
        text = read_small(id_file(root), PLACE_BYTES).decode("ascii", "replace").strip()
    except OSError:
        return None
    return text if is_id(text) else None


def is_at_home(root: str, holders: Iterable[int] = ()) -> bool:
    """Is the id that is kept here this folder's own? Without a note nothing says otherwise.

    holders: pids that hold a role of it, one of which sees the folder at the path that is noted.
    """
    place = noted(root)
    if place is None:
        return True
    try:
        now = here(root, place.id)
    except OSError:
        return False
    if place.is_at(now):
        return True
    return (place.dev, place.ino) == (now.dev, now.ino) and any(_sees(pid, place) for pid in holders)


def _sees(pid: int, place: Place) -> bool:
    try:
        found = os.stat(f"/proc/{pid}/root{place.path}")
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == (place.dev, place.ino)


def settle(root: str, id: str) -> None:
    """Notes that the home of this id is here. Raises OSError; what is noted already costs no write."""
    place = here(root, id)
    if noted(root) != place:
        write_over(place_file(root), encode(place))
    text = b""
    with contextlib.suppress(OSError):
        text = read_small(id_file(root), PLACE_BYTES).strip()
    if text != id.encode():
        write_over(id_file(root), id.encode())
