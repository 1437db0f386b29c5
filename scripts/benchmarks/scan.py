"""scripts/bench_scan: the coding agent's scan beside `compileall`, on the same files with the same processes.

Three figures, each the best of a few rounds in turn: a first look at the standard library (also in seconds of CPU,
which a busy machine leaves alone), a first look as the daemon does it (one process), and a rescan of 2,000 files where
nothing has changed.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable

from graced.mending.scan import scan
from graced.spec.config import Watch

FILES = 2000
RESCAN_LIMIT_MS = 50.0


def main() -> int:
    words = argparse.ArgumentParser(prog="scripts/bench-scan", description=__doc__)
    words.add_argument("--json", action="store_true")
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    given = words.parse_args()
    folder = tempfile.mkdtemp(prefix="graced-scan-")
    try:
        library = os.path.join(folder, "library")
        skip = shutil.ignore_patterns("site-packages", "__pycache__", "test", "tests", "lib2to3", "badsyntax*")
        shutil.copytree(sysconfig.get_path("stdlib"), library, ignore=skip)
        found = measure(library, os.path.join(folder, "many"), given.jobs, given.rounds)
    finally:
        shutil.rmtree(folder)
    if given.json:
        print(json.dumps(found, indent=1))
    else:
        show(found, given.jobs)
    good = found["fix_cpu_s"] < found["compileall_cpu_s"] and found["rescan_ms"] <= RESCAN_LIMIT_MS
    return 0 if good else 1


def measure(library: str, many: str, jobs: int, rounds: int) -> dict[str, float]:
    fix = [sys.executable, "-P", "-c", "from graced.cli.main import main; main()", "fix", "--check", library]
    compileall = [sys.executable, "-m", "compileall", "-q", "-f", "-j", str(jobs), library]
    _, count = copies(library, many)
    first: dict[str, float] = {"files": float(count)}
    rows = [(*run(fix), *run(compileall)) for _ in range(rounds)]
    best_of = [min(column) for column in zip(*rows, strict=True)]
    first |= dict(zip(("fix_s", "fix_cpu_s", "compileall_s", "compileall_cpu_s"), best_of, strict=True))
    watch = (Watch(library),)
    first["scan_one_process_s"] = best(1, lambda: scan(watch, (), {}))
    watch = (Watch(many),)
    known = {each.path: each for each in scan(watch, (), {}).changed}
    assert len(known) == FILES
    first["rescan_ms"] = 1000 * best(10, lambda: scan(watch, (), known))
    ignoring = ("*.log", "build/", "/dist", "node_modules/", "*.egg-info", "!keep.log", "tmp*/", "docs/_build/")
    first["rescan_ignoring_ms"] = 1000 * best(10, lambda: scan(watch, ignoring, known))
    return first


def copies(library: str, many: str) -> tuple[str, int]:
    """2,000 files in folders of 50, as a project has them; how many the library has."""
    paths = [os.path.join(top, name) for top, _, names in os.walk(library) for name in names if name.endswith(".py")]
    for index in range(FILES):
        place = os.path.join(many, f"package{index // 50}")
        os.makedirs(place, exist_ok=True)
        shutil.copy(paths[index % len(paths)], os.path.join(place, f"module{index}.py"))
    return many, len(paths)


def run(argv: list[str]) -> tuple[float, float]:
    """Seconds, and seconds of CPU."""
    cpu, began = spent(), time.perf_counter()
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/")
    assert done.returncode == 0, done.stdout[-2000:]
    return time.perf_counter() - began, spent() - cpu


def spent() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def best(rounds: int, work: Callable[[], object]) -> float:
    spans = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        spans.append(time.perf_counter() - began)
    return min(spans)


def show(found: dict[str, float], jobs: int) -> None:
    print(f"first look at the standard library, {found['files']:.0f} files, {jobs} processes")
    print(f"  graced fix --check             {found['fix_s']:8.2f} s  {found['fix_cpu_s']:8.2f} s of CPU")
    print(f"  python -m compileall -q -f -j  {found['compileall_s']:8.2f} s  {found['compileall_cpu_s']:8.2f} s of CPU")
    print(f"  the daemon's scan, one process {found['scan_one_process_s']:8.2f} s")
    print(f"rescan of {FILES} files, nothing changed (limit {RESCAN_LIMIT_MS:g} ms)")
    print(f"  without patterns               {found['rescan_ms']:8.1f} ms")
    print(f"  with eight exclude patterns    {found['rescan_ignoring_ms']:8.1f} ms")


if __name__ == "__main__":
    sys.exit(main())
