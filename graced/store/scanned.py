"""What the last scan knew of each file, so that an unchanged one costs a stat(2) and no more."""

from collections.abc import Iterable

import msgspec

from graced.store.db import Store
from graced.store.text import path_in, path_out


class Scanned(msgspec.Struct, frozen=True, gc=False):
    """A file as it was last read: `key` says by stat(2) whether it is the same, in the scanner's own words.

    `good`: hashes of its last versions that compiled, newest first, with spaces between (graced.mending.kept_texts).
    """

    path: str
    key: str
    sha256: str
    ok: bool
    good: str = ""


def save_scanned(store: Store, files: Iterable[Scanned]) -> bool:
    """Keeps what is known of these files, all in one transaction; True when written."""
    rows: list[tuple[object, ...]] = [(path_in(f.path), f.key, f.sha256, int(f.ok), f.good) for f in files]
    return store.write("INSERT OR REPLACE INTO scanned (path, key, sha256, ok, good) VALUES (?, ?, ?, ?, ?)", rows)


def forget_scanned(store: Store, paths: Iterable[str]) -> bool:
    """Forgets files that are gone or no longer watched; True when written."""
    rows: list[tuple[object, ...]] = [(path_in(path),) for path in paths]
    return store.write("DELETE FROM scanned WHERE path = ?", rows)


def scanned(store: Store) -> dict[str, Scanned]:
    """What is known of every file, by path."""
    read = store.read("SELECT path, key, sha256, ok, good FROM scanned")
    return {(path := path_out(row[0])): Scanned(path, row[1], row[2], row[3] == 1, row[4]) for row in read}


def good_versions(store: Store, path: str) -> tuple[str, ...]:
    """The hashes of a file's last versions that compiled, newest first."""
    rows = store.read("SELECT good FROM scanned WHERE path = ?", (path_in(path),))
    return tuple(rows[0][0].split()) if rows else ()


def scan_counts(store: Store) -> tuple[int, int]:
    """How many files are known, and how many of them do not compile."""
    rows = store.read("SELECT count(*), coalesce(sum(ok = 0), 0) FROM scanned")
    return (rows[0][0], rows[0][1]) if rows else (0, 0)
