"""The simulator: the pure core of all members under a virtual clock, with seeded faults and separate checkers.

The shell of `graced.members` is mirrored in virtual time (`member`, `spawner`, `healing`); the operating system and
the bus are models (`machine`, `wires`). Everything random comes from one seed, so every run can be replayed:
`scripts/simulate --seed N --trace`.
"""
