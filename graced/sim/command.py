"""`scripts/simulate`: seeds from the command line."""

import argparse
import sys
import time
from collections.abc import Sequence

from graced.sim.run import FAULTS_A_SEED, Outcome, simulate, simulate_many


def main(argv: Sequence[str] | None = None) -> int:
    """0: no breach. 1: a breach, told with its seed. 2: wrong usage."""
    parser = argparse.ArgumentParser(prog="simulate", description=__doc__)
    parser.add_argument("--seed", type=int, help="run this one")
    parser.add_argument("--seeds", type=_range, help="run these, A..B (B included)")
    parser.add_argument("--faults", type=int, default=FAULTS_A_SEED, help="faults a seed (%(default)s)")
    parser.add_argument("--trace", action="store_true", help="tell every step; for --seed")
    parser.add_argument("--jobs", type=int, default=0, help="processes (default: one a core)")
    words = parser.parse_args(argv)
    if (words.seed is None) == (words.seeds is None):
        parser.error("give either --seed N or --seeds A..B")
    if words.seed is not None:
        outcome = simulate(words.seed, words.faults, say=print if words.trace else None)
        print(_line(outcome))
        return 1 if outcome.breach else 0
    return _many(words.seeds, words.faults, words.jobs)


def _range(text: str) -> range:
    first, _, last = text.partition("..")
    try:
        return range(int(first), int(last) + 1)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not A..B") from None


def _line(outcome: Outcome) -> str:
    state = f"BREACH {outcome.breach}" if outcome.breach else f"healthy {outcome.settled_s * 1000:.0f} ms after the last"
    return f"seed {outcome.seed}: {outcome.faults} faults in {outcome.virtual_s:.1f} s, {state}"


def _many(seeds: range, faults: int, jobs: int) -> int:
    began = time.monotonic()
    breaches = total = done = 0
    settled: list[float] = []
    for outcome in simulate_many(seeds, faults, jobs):
        done += 1
        total += outcome.faults
        if outcome.breach:
            breaches += 1
            print(_line(outcome), flush=True)
        else:
            settled.append(outcome.settled_s)
    settled.sort()
    spread = f"healthy after p50 {_at(settled, 0.5)} ms, p99 {_at(settled, 0.99)} ms, at most {_at(settled, 1.0)} ms"
    print(f"{done} seeds, {total} faults, {breaches} breaches, {time.monotonic() - began:.1f} s; {spread}")
    return 1 if breaches else 0


def _at(values: list[float], share: float) -> str:
    return f"{values[min(len(values) - 1, int(share * len(values)))] * 1000:.0f}" if values else "-"


if __name__ == "__main__":
    sys.exit(main())
