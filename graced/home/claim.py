"""The first thing that a start does once nobody else can be at work in the home: make sure that all in it is its own.

A copied or moved home keeps its counts, its audit log and its tasks. What it says of processes is of another home:
the runs of kernels are forgotten, an announced stop is none, and it takes an id that no process carries.
"""

import contextlib
import os

from graced.home.paths import Home
from graced.home.slots import forget_processes


def claim(home: Home) -> bool:
    """Whether it was another's. To be called with the spawner's role held."""
    foreign = not home.is_ours()
    if foreign:
        forget_processes(home)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(home.stopping)
    home.id()
    return foreign
