"""`scripts/simulate`: seeds from the command line."""

import argparse
import sys
import time
from collections.abc import Sequence

from graced.sim.faults import PROFILES
from graced.sim.run import FAULTS_A_SEED, Outcome, simulate, simulate_many


def main(argv: Sequence[str] | None = None) -> int:
    """0: no breach. 1: a breach, told with its seed. 2: wrong usage."""
    parser = argparse.ArgumentParser(prog="simulate", description=__doc__)
    parser.add_argument("--seed", type=int, help="run this one")
    parser.add_argument("--seeds", type=_range, help="run these, A..B (B included)")
    parser.add_argument("--faults", type=int, default=FAULTS_A_SEED, help="faults a seed (%(default)s)")
    parser.add_argument("--profile", choices=PROFILES, default="all", help="which faults, how near (%(default)s)")
    parser.add_argument("--trace", action="store_true", help="tell every step; for --seed")
    parser.add_argument("--jobs", type=int, default=0, help="processes (default: one a core)")
    words = parser.parse_args(argv)
    if (words.seed is None) == (words.seeds is None):
        parser.error("give either --seed N or --seeds A..B")
    if words.seed is not None:
        outcome = simulate(words.seed, words.faults, words.profile, say=print if words.trace else None)
        print(_line(outcome))
        return 1 if outcome.breach else 0
    return _many(words.seeds, words.faults, words.profile, words.jobs)


def _range(text: str) -> range:
    first, _, last = text.partition("..")
    try:
        return range(int(first), int(last) + 1)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not A..B") from None


def _line(outcome: Outcome) -> str:
    settled = outcome.settled_s
    rest = "stopped after the last" if settled is None else f"at rest {settled * 1000:.0f} ms after the last"
    state = f"BREACH {outcome.breach}" if outcome.breach else rest
    return f"seed {outcome.seed}: {outcome.faults} faults in {outcome.virtual_s:.1f} s, {state}"


def _many(seeds: range, faults: int, profile: str, jobs: int) -> int:
    began = time.monotonic()
    breaches = total = done = 0
    settled: list[float] = []
    recoveries: list[float] = []
    for outcome in simulate_many(seeds, faults, profile, jobs):
        done += 1
        total += outcome.faults
        recoveries += outcome.recoveries_s
        if outcome.breach:
            breaches += 1
            print(_line(outcome), flush=True)
        elif outcome.settled_s is not None:
            settled.append(outcome.settled_s)
    print(f"{done} seeds, {total} faults, {breaches} breaches, {time.monotonic() - began:.1f} s")
    print(f"from a fault that takes a member away to seven healthy: {_spread(recoveries)}")
    print(f"from the last fault to rest everywhere: {_spread(settled)}")
    return 1 if breaches else 0


def _spread(seconds: list[float]) -> str:
    """Median, 99th percentile and maximum in milliseconds of virtual time."""
    if not seconds:
        return "none"
    ordered = sorted(seconds)
    p50, p99, top = (ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.99, 1.0))
    return f"p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms, at most {top * 1000:.0f} ms"


if __name__ == "__main__":
    sys.exit(main())
