"""`include`: more files, merged in order; and the home alone, whatever else is wrong."""

import pathlib

import pytest

from graced.config.load import ConfigError, home_only, load


def write(folder: pathlib.Path, **files: str) -> str:
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".yaml")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return str(folder / "graced.yaml")


def refused(file: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        load(file, {})
    return [str(problem) for problem in error.value.problems]


def test_files_are_merged_in_order_and_the_later_wins(tmp_path: pathlib.Path) -> None:
    file = write(
        tmp_path,
        graced="include: [conf/*.yaml, last.yaml]\n"
        "timing: {check_interval: 1s, emergency_confirm: 1s}\nkernels: {m: {command: x}}\n",
        conf__a="timing: {check_interval: 2s}\nkernels: {a: {command: x, cwd: .}}\n",
        conf__b="timing: {check_interval: 3s}\nkernels: {b: {command: x, depends_on: [m]}}\n",
        last="defaults: {nice: 5}\n",
    )
    loaded = load(file, {})
    assert list(loaded.kernels) == ["m", "a", "b"]
    assert (loaded.timing.check_interval_s, loaded.timing.emergency_confirm_s) == (3.0, 1.0)
    assert loaded.kernels["a"].cwd == str(tmp_path / "conf")
    assert {kernel.nice for kernel in loaded.kernels.values()} == {5}
    assert (loaded.source, loaded.folder) == (file, str(tmp_path))


def test_includes_are_relative_to_the_file_that_has_them(tmp_path: pathlib.Path) -> None:
    file = write(
        tmp_path, graced="include: ['${D}/a.yaml']\n", d__a="include: [b.yaml]\n", d__b="kernels: {k: {command: x}}\n"
    )
    assert list(load(file, {"D": "d"}).kernels) == ["k"]


def test_a_kernel_defined_twice_names_both_places(tmp_path: pathlib.Path) -> None:
    file = write(tmp_path, graced="include: [a.yaml]\nkernels:\n  k: {command: x}\n", a="kernels: {k: {command: y}}\n")
    assert refused(file) == [f"{tmp_path}/a.yaml:1:11: kernels.k: is defined twice; the first is at {file}:3:3"]


def test_a_cycle_of_includes_is_named(tmp_path: pathlib.Path) -> None:
    file = write(tmp_path, graced="include: [a.yaml]\n", a="include: [b.yaml]\n", b="include: [a.yaml]\n")
    assert refused(file) == [f"{tmp_path}/b.yaml:1:11: include[0]: includes itself: a.yaml -> b.yaml -> a.yaml"]


def test_globs_pass_over_the_file_itself_and_may_match_nothing_or_twice(tmp_path: pathlib.Path) -> None:
    file = write(tmp_path, graced="include: ['*.yaml', 'no/*.yaml', a.yaml]\n", a="kernels: {k: {command: x}}\n")
    assert list(load(file, {}).kernels) == ["k"]


def test_problems_of_all_files_are_told_each_with_its_own_place(tmp_path: pathlib.Path) -> None:
    file = write(
        tmp_path, graced="include: [a.yaml]\ntiming: 5\nkernels: {k: {}}\n", a="timing: {check_interval: x}\nnope: 1\n"
    )
    lines = refused(file)
    assert [line.split(": ")[0] for line in lines] == [
        f"{file}:2:9", f"{file}:3:11", f"{tmp_path}/a.yaml:1:26", f"{tmp_path}/a.yaml:2:1",
    ]  # fmt: skip


# --- home_only


def test_the_home_is_read_whatever_else_is_wrong(tmp_path: pathlib.Path) -> None:
    file = write(tmp_path, graced="nope: 1\nhome: ${H}\ninclude: [missing.yaml]\nkernels: {watchdog: {x: '${NOPE}'}}\n")
    assert home_only(file, {"H": "h"}) == str(tmp_path / "h")
    assert home_only(file, {"H": "h", "GRACED_HOME": "/g"}) == "/g"
    assert home_only(file, {"GRACED_HOME": "/g"}, "/o") == "/o"
    assert home_only(write(tmp_path, graced="kernels: 5\n"), {}) == str(tmp_path / ".graced")


@pytest.mark.parametrize(
    "text",
    [
        "home: h\nkernels: [\n", "kernels: [\nhome: h\n",
        "a: b: c\nhome: h # here\n", "home: h\n\x01\n", "x: *y\nhome: 'h'\n",
    ],
)  # fmt: skip
def test_the_home_of_a_file_with_a_syntax_error(tmp_path: pathlib.Path, text: str) -> None:
    assert home_only(write(tmp_path, graced=text), {}) == str(tmp_path / "h")


def test_a_file_with_a_syntax_error_and_no_home_has_the_default(tmp_path: pathlib.Path) -> None:
    assert home_only(write(tmp_path, graced="kernels: [\n"), {}) == str(tmp_path / ".graced")
    (tmp_path / "graced.yaml").write_bytes(b"\xff\xfe\n")
    assert home_only(str(tmp_path / "graced.yaml"), {}) == str(tmp_path / ".graced")


def test_the_home_of_an_included_file_counts_too(tmp_path: pathlib.Path) -> None:
    file = write(tmp_path, graced="home: a\ninclude: [d/x.yaml]\n", d__x="home: b\n")
    assert home_only(file, {}) == load(file, {}).home == str(tmp_path / "d" / "b")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("home: 5\n", ":1:7: home: needs a path"),
        ("home: ${NOPE}\n", ":1:7: home: the environment has no NOPE"),
        ("kernels: [\nhome: [\n", ":2:1: home: cannot be read"),
    ],
)
def test_a_home_that_is_itself_wrong_is_told(tmp_path: pathlib.Path, text: str, said: str) -> None:
    file = write(tmp_path, graced=text)
    with pytest.raises(ConfigError) as error:
        home_only(file, {})
    assert str(error.value).startswith(file + said)


def test_a_file_that_cannot_be_read_has_no_home(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        home_only(str(tmp_path / "missing.yaml"), {})
    with pytest.raises(ConfigError, match="cannot be read"):
        load(str(tmp_path / "missing.yaml"), {})
