"""What processes cost: memory by smaps_rollup, CPU by schedstat (nanoseconds, all threads)."""

import os
import time
from collections.abc import Sequence

MIB = 1024 * 1024


def memory(pids: Sequence[int]) -> dict[str, float]:
    """MiB of all of them: `pss` with shared pages in shares, `uss` what would be free without them."""
    pss = uss = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            for line in file:
                name, _, rest = line.partition(":")
                if name == "Pss":
                    pss += int(rest.split()[0])
                elif name.startswith("Private_"):
                    uss += int(rest.split()[0])
    return {"pss_mib": pss * 1024 / MIB, "uss_mib": uss * 1024 / MIB}


def cpu_s(pid: int) -> float:
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total / 1e9


def idle(pids: dict[str, int], seconds: float) -> dict[str, dict[str, float]]:
    """For each process by name and for `all`: memory, and percent of one core over so many seconds."""
    before = {name: cpu_s(pid) for name, pid in pids.items()}
    began = time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - began
    after = {name: cpu_s(pid) for name, pid in pids.items()}
    rows = {
        name: {**memory([pid]), "cpu_percent": (after[name] - before[name]) / took * 100} for name, pid in pids.items()
    }
    rows["all"] = {key: sum(row[key] for row in rows.values()) for key in ("pss_mib", "uss_mib", "cpu_percent")}
    return rows
