"""What a repair may spend: candidates, checks and compiled characters, so that it ends alike on every machine."""

import time
from typing import Final

MAX_CHARS: Final = 3_000_000
"""Characters compiled for one file: about as many as a second allows on a slow machine."""
MAX_CHECKS: Final = 2_500
"""Texts compiled for one file."""
LONG_CHARS: Final = 500
"""A candidate in a longer statement counts as many times more."""
CLOCK_EVERY: Final = 16
"""The clock is looked at once in so many candidates."""
MAX_CANDIDATES: Final = 12_000
"""Candidates whose plausibility is computed for one file."""


class OutOfTime(Exception):
    """The clock, which is only a far backstop, ran out: what was found until then would depend on the machine."""


class Budget:
    """Counted down by the search. `deadline` is on the clock of `time.monotonic`."""

    __slots__ = ("candidates", "chars", "checks", "deadline")

    def __init__(self, deadline: float) -> None:
        self.chars, self.checks, self.candidates = MAX_CHARS, MAX_CHECKS, MAX_CANDIDATES
        self.deadline = deadline

    @property
    def spent(self) -> bool:
        return self.chars <= 0 or self.checks <= 0 or self.candidates <= 0

    def compiled(self, chars: int) -> None:
        """Counts one check. Raises OutOfTime."""
        self.checks -= 1
        self.chars -= chars
        if time.monotonic() > self.deadline:
            raise OutOfTime

    def scored(self, chars: int) -> None:
        """Counts one candidate for a statement of so many characters. Raises OutOfTime."""
        self.candidates -= 1 + chars // LONG_CHARS
        if not self.candidates % CLOCK_EVERY and time.monotonic() > self.deadline:
            raise OutOfTime
