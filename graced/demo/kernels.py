"""The three kernels of the tour, as files of a folder that the coding agent watches."""

import sys
from typing import Any, Final

WEB_PY: Final = '''\
"""A small web server on loopback."""

import http.server
import sys


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"here\\n")

    def log_message(self, *words):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Page).serve_forever()
'''

VISITOR_PY: Final = '''\
"""Asks the web server all the time, and keeps count of answers and failures."""

import http.client
import os
import sys
import time

answered = failed = 0
while True:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=2)
        connection.request("GET", "/")
        answered += connection.getresponse().read() == b"here\\n"
        connection.close()
    except (OSError, http.client.HTTPException):
        failed += answered > 0  # before its first answer the server is only starting
    with open("visits.new", "w") as file:
        file.write(f"{answered} {failed}")
    os.replace("visits.new", "visits")
    time.sleep(0.02)
'''

WORKER_PY: Final = '''\
"""Counts, and goes on counting where its predecessor was killed."""

import os
import time

import rates

count = int(open("count").read()) if os.path.exists("count") else 0
while True:
    count += rates.STEP
    with open("count.new", "w") as file:
        file.write(str(count))
    os.replace("count.new", "count")
    time.sleep(0.02)
'''

RATES_PY: Final = '''\
"""What the worker counts by."""

STEP = 1
PER_DAY = 86_400 * STEP
'''

FILES: Final = {"web.py": WEB_PY, "visitor.py": VISITOR_PY, "worker.py": WORKER_PY, "rates.py": RATES_PY}
"""In the watched folder."""

INVISIBLE: Final = "\ufeff\u200b"
"""A byte order mark and a zero-width space: what an editor or a paste from a web page leaves in a file."""


def broken(text: str) -> str:
    """The same with invisible characters in it: no interpreter takes it, and no person sees why."""
    return text.replace("\nSTEP", f"\n{INVISIBLE}STEP").replace(" * STEP", f" *{INVISIBLE} STEP")


def configuration(port: int) -> dict[str, Any]:
    """The graced.yaml of the tour: a fast heartbeat, so that a hang is seen within a moment as well."""
    python = [sys.executable, "-B"]
    return {
        "home": "home",
        "timing": {
            "heartbeat_interval": "100ms",
            "heartbeat_timeout": "1s",
            "check_interval": "500ms",
            "emergency_confirm": "1s",
        },
        "restarts": {"max_restarts": 20, "backoff": {"max": "1s"}},
        "coding_agent": {"watch": ["shop"]},
        "kernels": {
            "web": {"command": [*python, "shop/web.py", str(port)]},
            "visitor": {"command": [*python, "shop/visitor.py", str(port)]},
            "worker": {"command": [*python, "shop/worker.py"]},
        },
    }
