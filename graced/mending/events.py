"""File events of the watched trees, by watchfiles (inotify behind it): a worker that writes a byte for each change.

They only make the next scan come at once; the scan itself tells what changed, and comes without them too.
"""

import contextlib
import importlib.machinery
import importlib.util
import os
from collections.abc import Iterator
from typing import Any, Final

from graced.mending.walk import IGNORE_FILE, NEVER, OURS, SUFFIXES

DEBOUNCE_MS: Final = 200
STEP_MS: Final = 50
TURN_MS: Final = 3_600_000
CHANGED: Final = b"."
WATCHING: Final = b"+"


def tell_changes(roots: tuple[str, ...], barred: tuple[str, ...], fd: int) -> None:
    """Write WATCHING to fd once the events are on, then CHANGED for every batch that may concern Python source.

    Returns when the trees cannot be watched (none is there, too many folders for inotify): the caller scans on.
    """
    present = [root for root in roots if os.path.exists(root)]
    if not present:
        return
    with contextlib.suppress(OSError, RuntimeError):  # watchfiles' own errors are RuntimeErrors
        for batch in _batches(present, lambda: os.write(fd, WATCHING)):
            if any(_concerns(path, barred) for path in batch):
                os.write(fd, CHANGED)


def _batches(roots: list[str], ready: Any) -> Iterator[list[str]]:
    """The extension module alone: the package around it imports an event loop, 10 MB of no use here."""
    notify = _rust().RustNotify(roots, False, False, 300, True, True)
    ready()
    while True:
        found = notify.watch(DEBOUNCE_MS, STEP_MS, TURN_MS, None)
        if isinstance(found, str):
            if found in ("signal", "stop"):
                return
            continue
        yield [path for _, path in found]


def _rust() -> Any:
    package = importlib.util.find_spec("watchfiles")
    folders = list(package.submodule_search_locations or ()) if package is not None else []
    for folder in folders:
        for suffix in importlib.machinery.EXTENSION_SUFFIXES:
            path = os.path.join(folder, f"_rust_notify{suffix}")
            if os.path.exists(path):
                loader = importlib.machinery.ExtensionFileLoader("_rust_notify", path)
                spec = importlib.util.spec_from_loader("_rust_notify", loader)
                assert spec is not None
                module = importlib.util.module_from_spec(spec)
                loader.exec_module(module)
                return module
    raise RuntimeError("watchfiles is not installed")


def _concerns(path: str, barred: tuple[str, ...]) -> bool:
    name = os.path.basename(path)
    if OURS in name or any(path.startswith(folder + "/") for folder in barred):
        return False
    if name in NEVER or any(f"/{part}/" in path for part in NEVER):
        return False
    return name.endswith(SUFFIXES) or name == IGNORE_FILE or "." not in name  # the last may be a folder moved here
