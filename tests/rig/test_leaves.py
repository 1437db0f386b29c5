"""Where systemd delegates a cgroup, each kernel has a leaf of its own in it, and the kernel's end empties that leaf."""

import json

import pytest
from conftest import Rig

pytestmark = pytest.mark.rig

LEAF = "/sys/fs/cgroup/system.slice/graced.service/kernel-comet"
SCRIPT = "sleep 0.5; setsid /bin/sleep 4242 >/dev/null 2>&1 & exec sleep 4243"
CONFIG = {
    "home": "/var/lib/graced",
    "kernels": {
        "other": {"command": ["sleep", "infinity"]},
        # What it leaves behind bears no mark of graced, has a session of its own and writes to no log. With another
        # kernel beside it nobody could tell whose it is, but by the leaf.
        "comet": {
            "command": [
                "env",
                "-i",
                "/bin/sh",
                "-c",
                "sleep 0.5; setsid /bin/sleep 4242 >/dev/null 2>&1 & exec sleep 4243",
            ],
            "stop": {"timeout": "1s"},
        },
    },
}
START = "systemctl start graced || { journalctl -u graced --no-pager | grep -v 'left-over'; exit 1; }\n"
AWAIT = "for i in $(seq 300); do {0} && break; sleep 0.1; done; {0}\n"


def begin(service: Rig) -> None:
    (service.root / "etc/graced/graced.yaml").write_text(json.dumps(CONFIG))
    service.script(START + AWAIT.format(f"test $(wc -l < {LEAF}/cgroup.procs) = 2"))


def sleepers(service: Rig) -> list[str]:
    return service.ok("sh", "-c", "pgrep -x -f '/bin/sleep 4242' || true").split()


def test_what_a_run_leaves_behind_is_dead_before_the_next_one(service: Rig) -> None:
    begin(service)
    (old,) = sleepers(service)
    service.script(f"kill -9 $(pgrep -x -f 'sleep 4243')\n{AWAIT.format('! test -e /proc/' + old)}")
    service.script(AWAIT.format(f"test $(wc -l < {LEAF}/cgroup.procs) = 2"))
    assert len(sleepers(service)) == 1, "the old one is gone, the new run has its own"


def test_a_stop_by_name_empties_the_leaf(service: Rig) -> None:
    begin(service)
    service.script("graced --config /etc/graced/graced.yaml stop comet")
    assert sleepers(service) == []
    assert "populated 0" in service.ok("cat", f"{LEAF}/cgroup.events")
    assert "populated 1" in service.ok("cat", f"{LEAF.replace('comet', 'other')}/cgroup.events")
