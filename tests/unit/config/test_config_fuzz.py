"""Whatever is in the file: a Config, or a ConfigError with lines that name a place. Never anything else."""

import pathlib
import tempfile

import msgspec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from graced.config.file_table import FILE
from graced.config.inert import inert_warnings
from graced.config.kernel_table import HEALTH, KERNEL, READY
from graced.config.load import ConfigError, home_only, read
from graced.config.show import show
from graced.spec.config import from_json, to_json

_WORDS = sorted(
    {*FILE.keys, *KERNEL.keys, *HEALTH.variants, *READY.variants}
    | {"a", "b", "watchdog", "null", "yes", "1", "-1", "1.5", "10s", "5M", "${A}", "${A", "$${", "*", "@daily"}
    | {"kind", "when", "url", "port", "signal", "cron", "percent", "memory", "<<", "[::1]:80", "'"}
    | {"${A:-b}", "backoff", "\0", "é", "\ud7ff"}
)  # fmt: skip


def check(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "graced.yaml"
        file.write_bytes(data)
        try:
            loaded = read(str(file), {"A": "1"})
        except ConfigError as refused:
            assert refused.problems
            for problem in refused.problems:
                assert str(problem).startswith(f"{folder}/graced.yaml:{problem.line}:{problem.column}: ")
                assert problem.line >= 1 and problem.column >= 1
                assert str(problem).isprintable()
        else:
            assert from_json(to_json(loaded.config)) == loaded.config
            inert_warnings(loaded)
            file.write_text(show(loaded))
            again = read(str(file), {}).config
            assert msgspec.structs.replace(again, home="") == msgspec.structs.replace(loaded.config, home="")
        try:
            assert home_only(str(file), {"A": "1"}).startswith("/")
        except ConfigError as refused:
            assert refused.problems


QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@QUICK
@given(st.text())
@example("a: &a\n  <<: *a")
@example("<<: [x]")
@example("? {a: b}\n: c")
@example("kernels: {\ud7ff: {command: [x]}}")
@example("a: b\x85c: d")
@example("%YAML 1.3\n---\na")
@example('"\\x00": "\\0"')
@example("kernels: {? : {command: x}}")
def test_any_text(text: str) -> None:
    check(text.encode(errors="surrogatepass"))


@QUICK
@given(st.binary())
def test_any_bytes(data: bytes) -> None:
    check(data)


@QUICK
@given(
    st.lists(
        st.sampled_from([*_WORDS, ": ", "\n", "  ", "[", "]", "{", "}", ", ", "- ", "&a ", "*a", "!x ", "|\n", "#"])
    )
)
def test_any_soup_of_words(words: list[str]) -> None:
    check("".join(words).encode())


_TREE = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(_WORDS)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(_WORDS), inner, max_size=6)),
    max_leaves=30,
)


@QUICK
@given(st.dictionaries(st.sampled_from(sorted(FILE.keys)), _TREE, max_size=6))
def test_any_tree_of_known_keys(tree: object) -> None:
    check(msgspec.yaml.encode(tree) if not _has_odd(tree) else repr(tree).encode())


@QUICK
@given(st.dictionaries(st.sampled_from(sorted(KERNEL.keys)), _TREE, max_size=6))
def test_any_kernel(tree: dict[str, object]) -> None:
    tree["command"] = "x"
    check(msgspec.yaml.encode({"kernels": {"k": tree}}) if not _has_odd(tree) else repr(tree).encode())


def _has_odd(value: object) -> bool:
    """A NUL cannot be written by the encoder in all styles; as text it goes through `repr`."""
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_has_odd(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(map(_has_odd, value))
