"""What the home keeps of each kernel's newest run: written before its birth and completed after it, by one pwrite each,
with no lock and on a full disk as well."""

import contextlib
import os
from typing import Final

import msgspec

from graced.home.paths import Home
from graced.posix.files import make_dir
from graced.posix.padded_record import open_slot, read_slot, write_slot
from graced.posix.proc import Identity
from graced.posix.undecodable import UNDECODABLE
from graced.spec.run import Run

SLOT_BYTES: Final = 512


class Slot(msgspec.Struct, frozen=True):
    """What is stored of a kernel's newest run. Its `pid` 0: it was about to be born; `log`: the inode of its output."""

    run: Run
    log: int = 0


class KernelSlots:
    """home/kernels/NAME.slot. None is kept open: a kernel more costs no descriptor more."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def stored(self) -> list[Slot]:
        """Those that can be read, and a folder for more."""
        with contextlib.suppress(OSError):  # a person may have deleted the folder; who runs is known by its marks
            make_dir(self._home.kernels, 0o700)
        return list(stored_slots(self._home).values())

    def read(self, kernel: str) -> Slot | None:
        """Of one kernel; None when there is none that can be read."""
        return read(self._home.slot(kernel))

    def store(self, slot: Slot) -> None:
        with contextlib.suppress(OSError):  # a full disk stops no birth: identity is then by environment
            fd = open_slot(self._home.slot(slot.run.kernel))
            try:
                write_slot(fd, msgspec.json.encode(slot), SLOT_BYTES)
            finally:
                os.close(fd)


def forget_processes(home: Home) -> None:
    """Keeps the number of each kernel's newest run, and nothing of its process."""
    slots = KernelSlots(home)
    for slot in slots.stored():
        slots.store(without_process(slot))


def without_process(slot: Slot) -> Slot:
    return Slot(Run(slot.run.kernel, slot.run.run))


def identity_of(run: Run) -> Identity:
    """Its first process, for all time."""
    return Identity(run.pid, run.start_ticks, run.boot_id)


def read(path: str) -> Slot | None:
    """One slot; None when it is not there or cannot be read."""
    data = read_slot(path)
    if data is None:
        return None
    try:
        return msgspec.json.decode(data, type=Slot)
    except UNDECODABLE:
        return None


def stored_slots(home: Home) -> dict[str, Slot]:
    """The newest run of every kernel that ever was, by name; what cannot be read is left out.

    In a copy of a home they are runs of the other: only their numbers are told.
    """
    ours = home.is_ours()
    try:
        names = sorted(name for name in os.listdir(home.kernels) if name.endswith(".slot"))
    except OSError:
        return {}
    found = (read(os.path.join(home.kernels, name)) for name in names)
    return {slot.run.kernel: slot if ours else without_process(slot) for slot in found if slot is not None}
