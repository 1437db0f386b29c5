"""Why a kernel is as it is: whom its escalation reached, from views that are made up."""

from pathlib import Path

import pytest
from test_control_compose import gathered, with_kernel

from graced.control.explain import _kernel
from graced.home.paths import Home
from graced.spec.config import Config
from graced.status.compose import compose
from graced.status.compose_kernels import kernels_now
from graced.store.tables import Incident

OPEN = Incident("web-run3", "2026-01-01T00:00:00.000Z", "web", "kernel", "exit code 1", 1, [], None, "open")
NOBODY_OUTSIDE = "nobody outside: `notify` in graced.yaml is empty"
AT_IT = "nobody yet: graced is at it"


@pytest.mark.parametrize(
    ("state", "rung", "told"),
    [("failed", "notify", NOBODY_OUTSIDE), ("starting", "notify", NOBODY_OUTSIDE), ("backoff", "restart", AT_IT)],
    ids=["its ladder is over", "tried again after its ladder", "on its ladder"],
)
def test_an_escalated_kernel_whose_incident_is_open_has_been_told_of(
    tmp_path: Path, state: str, rung: str, told: str
) -> None:
    g = with_kernel(gathered(), state=state, rung=rung, pid=0, start_ticks=0, reason="exit code 1")
    row = compose(g).kernels["web"]
    why = _kernel(Home(str(tmp_path)), "web", kernels_now(g), row, g.specs["web"], g, Config(home="/home"), [OPEN])
    assert why.told == told
