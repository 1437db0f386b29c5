"""What `graced init` writes: a commented graced.yaml and two small kernels to try."""

import errno
import os
from typing import Final

GRACED_YAML: Final = """\
# graced.yaml: what is kept running here. Each entry under `kernels:` is a kernel: a program of yours. Try:
#   graced start      everything below, in the background
#   graced status     what is wrong, and how your programs are; kill -9 anything and look again
#   graced why clock  why one is as it is, and what would change it
#   graced logs clock
#   graced stop
# After a change of this file: graced config check; graced stop; graced start
# `graced config show` prints every key with its value, `graced config schema` a schema for your editor.
version: 1

home: .graced                   # state, logs, audit log and sockets

timing:
  heartbeat_interval: 1s        # graced's own members tell each other that they are well
  heartbeat_timeout: 30s        # one that is silent for longer is down; an exit is seen at once

restarts:
  max_restarts: 5               # of a kernel, within `window`; one more and the next rung of its ladder is taken
  window: 60s
  backoff: {immediate: 2, initial: 100ms, factor: 2, max: 30s, jitter: 0.2}

coding_agent:
  watch: [.]                    # Python files in here that do not compile; not .venv, build, fixtures of tests
  apply: suggest                # suggest: `graced tasks` shows the mend | fix: applied where it is sure | off

# What every kernel starts from; each may say otherwise.
defaults:
  stop: {signal: TERM, timeout: 10s}

kernels:
  clock:                        # counts seconds in clock.count, and goes on counting after a restart
    command: [python3, -u, kernels/clock.py]
    critical: true              # watched by two members

  worker:
    command: python3 -u kernels/worker.py --items 3
    depends_on: [clock]         # started after it, stopped before it
    restart: on-failure         # always | on-failure | never
    env:
      WORKER_NAME: ${USER:-somebody}
"""

CLOCK_PY: Final = '''\
"""A kernel to try: prints the time and counts, once a second. The count outlives every restart."""

import pathlib
import time

COUNT = pathlib.Path("clock.count")


def main() -> None:
    count = int(COUNT.read_text() or 0) if COUNT.exists() else 0
    while True:
        count += 1
        fresh = COUNT.with_suffix(".new")
        fresh.write_text(str(count))
        fresh.replace(COUNT)  # whole or not at all, whenever this process is killed
        print(time.strftime("%H:%M:%S"), "tick", count)
        time.sleep(1)


main()
'''

WORKER_PY: Final = '''\
"""A kernel to try: works on a few items, over and over. Break a line of it and see it mended."""

import errno
import os
import sys
import time


def main() -> None:
    items = int(sys.argv[sys.argv.index("--items") + 1]) if "--items" in sys.argv else 1
    name = os.environ.get("WORKER_NAME", "worker")
    while True:
        for item in range(items):
            print(f"{name}: item {item + 1} of {items}")
            time.sleep(2)


main()
'''

FILES: Final = {"graced.yaml": GRACED_YAML, "kernels/clock.py": CLOCK_PY, "kernels/worker.py": WORKER_PY}


def write_template(folder: str) -> list[str]:
    """Writes the files into `folder`, made if need be; gives their paths. Nothing is overwritten: if one of them is
    there already, FileExistsError with its path as `filename`, and nothing is written. Raises OSError."""
    paths = {os.path.join(folder, name): text for name, text in FILES.items()}
    for path in paths:
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, "File exists", path)
    for path, text in paths.items():
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        with open(path, "x", encoding="utf-8") as file:  # x: also not what came to be since the look above
            file.write(text)
    return list(paths)
