"""NAME as people write it."""

import pytest

from graced.control.errors import EX_NO_SUCH_NAME, Refusal
from graced.control.names import expand, needed
from graced.spec.config import Config, Dependency, Kernel
from graced.spec.replicas import expand_replicas

KERNELS = expand_replicas(
    Config(
        "/home",
        kernels={
            "db": Kernel("db", ("x",), groups=("core",)),
            "api": Kernel("api", ("x",), depends_on=(Dependency("db"),)),
            "web": Kernel("web", ("x",), replicas=2, groups=("core",), depends_on=(Dependency("api"),)),
        },
    )
)
MEMBERS = ("watchdog", "trigger")


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["db"], ["db"]),
        (["web"], ["web.0", "web.1"]),
        (["web.1"], ["web.1"]),
        (["w*"], ["web.0", "web.1"]),
        (["*"], ["db", "api", "web.0", "web.1"]),
        (["@core"], ["db", "web.0", "web.1"]),
        (["web.1", "web", "db"], ["web.1", "web.0", "db"]),
        (["watchdog"], ["watchdog"]),
    ],
)
def test_words_mean_names_each_once_in_order(words: list[str], names: list[str]) -> None:
    assert expand(words, KERNELS, MEMBERS) == names


@pytest.mark.parametrize(
    ("word", "hint"),
    [("dbx", "did you mean db?"), ("@cor", "did you mean @core?"), ("wep", "did you mean web?"), ("x*", "")],
)
def test_an_unknown_word_is_exit_4_with_the_nearest_name(word: str, hint: str) -> None:
    with pytest.raises(Refusal) as refused:
        expand([word], KERNELS)
    assert refused.value.code == EX_NO_SUCH_NAME
    assert hint in str(refused.value)


def test_a_glob_never_means_a_member() -> None:
    with pytest.raises(Refusal):
        expand(["watch*"], KERNELS, MEMBERS)


def test_a_member_is_no_name_where_none_is_allowed() -> None:
    with pytest.raises(Refusal):
        expand(["watchdog"], KERNELS)


def test_needed_puts_dependencies_first() -> None:
    assert needed(KERNELS, ["web.0"]) == ["db", "api", "web.0"]
