"""What the home keeps of each kernel's newest run: written before its birth and completed after it, by one pwrite each,
with no lock and on a full disk as well."""

import contextlib
import os
from typing import Final

import msgspec

from graced.home.paths import Home
from graced.posix.files import make_dir
from graced.posix.padded_record import open_slot, read_slot, write_slot
from graced.posix.undecodable import UNDECODABLE

SLOT_BYTES: Final = 512


class Slot(msgspec.Struct, frozen=True):
    """What is stored of a kernel's newest run. `pid` 0: it was about to be born."""

    kernel: str
    run: int
    pid: int
    start_ticks: int
    boot_id: str


class KernelSlots:
    """home/kernels/NAME.slot. None is kept open: a kernel more costs no descriptor more."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def stored(self) -> list[Slot]:
        names: list[str] = []
        with contextlib.suppress(OSError):  # a person may have deleted the folder; who runs is known by its marks
            make_dir(self._home.kernels, 0o700)
            names = [n for n in sorted(os.listdir(self._home.kernels)) if n.endswith(".slot")]
        found = [self._read(os.path.join(self._home.kernels, name)) for name in names]
        return [slot for slot in found if slot is not None]

    def _read(self, path: str) -> Slot | None:
        data = read_slot(path)
        if data is None:
            return None
        try:
            return msgspec.json.decode(data, type=Slot)
        except UNDECODABLE:
            return None

    def store(self, slot: Slot) -> None:
        with contextlib.suppress(OSError):  # a full disk stops no birth: identity is then by environment
            fd = open_slot(self._home.slot(slot.kernel))
            try:
                write_slot(fd, msgspec.json.encode(slot), SLOT_BYTES)
            finally:
                os.close(fd)


def forget_processes(home: Home) -> None:
    """Keeps the number of each kernel's newest run, and nothing of its process."""
    slots = KernelSlots(home)
    for slot in slots.stored():
        slots.store(Slot(slot.kernel, slot.run, 0, 0, ""))
