"""The pure core: every decision of graced as (state, event, now) -> (state, actions).

Nothing in this package does I/O, reads a clock or holds a global that changes. `now` is seconds of
CLOCK_MONOTONIC. The same functions run in the live members, in the simulator and in the search.
"""
