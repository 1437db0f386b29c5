"""Tests on real processes: see support.fixtures."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.fixtures import folder, graced, make

__all__ = ["folder", "graced", "make"]
