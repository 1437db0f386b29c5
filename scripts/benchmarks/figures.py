"""Many times of one thing as a few figures, in milliseconds."""

from collections.abc import Sequence

Figures = dict[str, float]


def figures(seconds: Sequence[float]) -> Figures:
    """n, p50, p95 and max; the 95th percentile is the smallest value that 95 % are not above."""
    ordered = sorted(s * 1000 for s in seconds)
    if not ordered:
        return {"n": 0}
    n = len(ordered)
    return {
        "n": n,
        "p50_ms": ordered[(n - 1) // 2],
        "p95_ms": ordered[min(n - 1, -(-95 * n // 100) - 1)],
        "max_ms": ordered[-1],
    }
