"""Kernels with replicas, as they run."""

import pytest

from graced.spec.config import Config, Dependency, Kernel
from graced.spec.replicas import clashes, expand_replicas, replica_names


def test_replicas_are_kernels_of_their_own() -> None:
    web = Kernel("web", ("x",), env={"A": "1"}, replicas=2, depends_on=(Dependency("db", on_restart="restart"),))
    one = Kernel("one", ("x",), depends_on=(Dependency("web", on_failure="stop"), Dependency("web.0")))
    none = Kernel("none", ("x",), replicas=0)
    expanded = expand_replicas(Config("/h", kernels={"web": web, "one": one, "none": none, "db": Kernel("db", ("y",))}))
    assert list(expanded) == ["web.0", "web.1", "one", "db"]
    assert expanded["web.1"].env == {"A": "1", "GRACED_REPLICA": "1"}
    assert expanded["web.1"].depends_on == (Dependency("db", on_restart="restart"),)
    assert (expanded["web.0"].name, expanded["web.0"].replica_of) == ("web.0", "web")
    assert expanded["one"].env == {}
    assert expanded["one"].depends_on == (
        Dependency("web.0", on_failure="stop"), Dependency("web.1", on_failure="stop"), Dependency("web.0"),
    )  # fmt: skip


def test_names_that_clash_are_refused() -> None:
    kernels = {"a": Kernel("a", ("x",), replicas=2), "a.1": Kernel("a.1", ("x",))}
    assert clashes(kernels) == (("a", "a.1"),)
    with pytest.raises(ValueError, match=r"a replica of kernel 'a' has the name of kernel 'a.1'"):
        expand_replicas(Config("/h", kernels=kernels))
    assert replica_names(Kernel("b", ("x",))) == ("b",)
