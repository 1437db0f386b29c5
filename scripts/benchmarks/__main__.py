"""scripts/bench: measures, and prints a table or JSON."""

import argparse
import json
import os
import platform
import shutil
import tempfile
from typing import Any

import parts
import peers


def main() -> None:
    words = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    words.add_argument("--json", action="store_true", help="print all figures as JSON")
    words.add_argument("--quick", action="store_true", help="a fifth of the repetitions")
    words.add_argument("--no-peers", action="store_true", help="graced alone; without it peers are installed by pip")
    words.add_argument("--kills", type=int, default=100, metavar="N", help="kills of a kernel (100)")
    words.add_argument("--healers", type=int, default=50, metavar="N", help="kills of a healer (50)")
    words.add_argument("--idle", type=float, default=30.0, metavar="S", help="seconds of idleness (30)")
    given = words.parse_args()
    share = 5 if given.quick else 1
    kills, healers, idle_s = max(1, given.kills // share), max(1, given.healers // share), given.idle / share
    folder = tempfile.mkdtemp(prefix="graced-bench-")
    try:
        found = {"machine": _machine(), "graced": parts.measure(folder, kills, healers, idle_s), "peers": {}}
        for name in peers.PEERS if not given.no_peers else ():
            place = os.path.join(folder, name)
            os.mkdir(place)
            found["peers"][name] = peers.measure(name, place, max(1, kills // 5), idle_s)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if given.json:
        print(json.dumps(found, indent=1))
    else:
        print("\n".join(_table(found)))


def _machine() -> dict[str, Any]:
    return {
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": list(os.getloadavg()),
    }


def _table(found: dict[str, Any]) -> list[str]:
    machine, graced = found["machine"], found["graced"]
    there = {name: row for name, row in found["peers"].items() if "skipped" not in row}
    load = " ".join(f"{value:.1f}" for value in machine["load"])
    lines = [f"{machine['cpus']} cpus, Linux {machine['kernel']}, Python {machine['python']}, load before {load}", ""]
    lines.append(_line("from kill -9 to the successor's first word or heartbeat", "n", "p50 ms", "p95 ms", "max ms"))
    lines += [_times(f"graced  {name}", row) for name, row in graced.items() if "p50_ms" in row]
    lines += [_times(f"{name}  program", row["kernel"]) for name, row in there.items()]
    lines += [f"{name}: skipped, {row['skipped']}" for name, row in found["peers"].items() if "skipped" in row]
    lines += ["", _line("idle", "", "PSS MiB", "USS MiB", "CPU %")]
    lines += [_costs(f"graced  {name}", row) for name, row in graced["idle"].items()]
    lines += [_costs(name, row["idle"]) for name, row in there.items()]
    lines += ["", _line("cold start", "", "word ms", "well ms", "")]
    cold = graced["cold_start_ms"]
    lines.append(_line("graced", "", f"{cold['word_ms']:.0f}", f"{cold['healthy_ms']:.0f}", ""))
    lines += [
        _line(f"{name} {row['version']}", "", f"{row['cold_start_ms']:.0f}", "", "") for name, row in there.items()
    ]
    if there:
        lines += ["", _line("times as much as graced", "restart", "start", "PSS", "CPU")]
        lines += [_ratios(name, row, graced) for name, row in there.items()]
    return lines


def _ratios(name: str, row: dict[str, Any], graced: dict[str, Any]) -> str:
    ours = graced["idle"]["all"]
    return _line(
        name,
        f"{row['kernel']['p50_ms'] / graced['kernel']['p50_ms']:.0f}",
        f"{row['cold_start_ms'] / graced['cold_start_ms']['word_ms']:.1f}",
        f"{row['idle']['pss_mib'] / ours['pss_mib']:.2f}",
        f"{row['idle']['cpu_percent'] / max(1e-9, ours['cpu_percent']):.2f}",
    )


def _line(title: str, *cells: str) -> str:
    return (title.ljust(56) + cells[0].rjust(8) + "".join(cell.rjust(10) for cell in cells[1:])).rstrip()


def _times(name: str, row: dict[str, float]) -> str:
    return _line(name, f"{row['n']:.0f}", *(f"{row[key]:.2f}" for key in ("p50_ms", "p95_ms", "max_ms")))


def _costs(name: str, row: dict[str, float]) -> str:
    return _line(name, "", *(f"{row[key]:.2f}" for key in ("pss_mib", "uss_mib", "cpu_percent")))


if __name__ == "__main__":
    main()
