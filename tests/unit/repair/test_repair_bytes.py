"""Bytes that no edit touches come back as they were: encoding, BOM, newlines, comments, blanks."""

import pytest

from graced.repair import MAX_BYTES, compiles, repair, simple_repairs

BROKEN = "# -*- note -*-\r\nx = {'é': 1}   # ünï  \r\n\r\nif x\r\n\ty = 2\t\r\n"


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_newlines_bom_comments_and_trailing_blanks_stay(newline: str, bom: bytes) -> None:
    source = bom + BROKEN.replace("\r\n", newline).encode()
    found = repair(source)
    assert found.fixed == source.replace(b"if x", b"if x:")


def test_inserted_lines_use_the_files_newline() -> None:
    found = repair(b"try:\r\n\tf()\r\ng()\r\n")
    assert found.fixed == b"try:\r\n\tf()\r\nexcept Exception:\r\n\traise\r\ng()\r\n"


def test_a_declared_encoding_is_kept() -> None:
    source = "# coding: latin-1\nname = 'é'\nprint(name\n".encode("latin-1")
    assert repair(source).fixed == source.replace(b"print(name", b"print(name)")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (b"# coding: nonsense\nx = 1\n", b"# coding: utf-8\nx = 1\n"),
        (b"#!/bin/x\nx = 'caf\xe9'\n", b"#!/bin/x\n# -*- coding: cp1252 -*-\nx = 'caf\xe9'\n"),
        (b"# coding: utf-8\nx = 'caf\xe9'\n", b"# coding: cp1252\nx = 'caf\xe9'\n"),
        ("# é\n".encode() + b"x = 'caf\xe9'\n", "# é\nx = 'café'\n".encode()),
        ("x = 'é'\n".encode("utf-16"), "x = 'é'\n".encode()),
        (b"\xef\xbb\xbf# coding: latin-1\nx = 1\n", b"\xef\xbb\xbf# coding: utf-8\nx = 1\n"),
    ],
)
def test_wrong_encodings_are_declared_or_mended(source: bytes, expected: bytes) -> None:
    found = repair(source)
    assert found.fixed == expected
    assert found.state == "fixed"
    assert found.notes


CHINESE = "# 配置文件，读取数据库的连接参数\nname = '数据库'\ntitle = '标题：程序员的天堂'\n"
JAPANESE = "# 設定ファイルを読み込む\nname = 'データベース'\n"
RUSSIAN = "# Чтение настроек\nname = 'база'\n"


@pytest.mark.parametrize("cookie", ["", "# coding: utf-8\n"])
@pytest.mark.parametrize(
    ("text", "codec"),
    [(CHINESE, "gbk"), (CHINESE, "gb18030"), (JAPANESE, "euc-jp"), (JAPANESE, "shift-jis"), (RUSSIAN, "koi8-r")],
)
def test_bytes_in_an_encoding_that_nobody_can_know_stay_and_are_only_suggested(
    text: str, codec: str, cookie: str
) -> None:
    source = cookie.encode() + text.encode(codec)
    found = repair(source)
    assert found.state == "suggested"
    assert found.why
    assert found.fixed is not None
    assert found.fixed.endswith(source[len(cookie) :])


def test_a_stray_byte_in_utf8_that_says_so_does_not_make_the_rest_another_encoding() -> None:
    source = "# coding: utf-8\n# né à Nîmes\n".encode() + b"x = 'caf\xe9'\n"
    assert repair(source).fixed == source.replace(b"\xe9'", "é'".encode())


@pytest.mark.parametrize(
    "source", [b"", b"x = 1\n", b"\xef\xbb\xbfx = 1", b"# caf\xc3\xa9\r\n", b"x = '\xe2\x80\x9c'\n"]
)
def test_intact_source_is_left_alone(source: bytes) -> None:
    found = repair(source)
    assert (found.state, found.fixed, found.errors, found.edits) == ("intact", None, (), 0)
    assert compiles(source) is None
    assert simple_repairs(source) is None


def test_compiles_says_what_and_where() -> None:
    said = compiles(b"x = 1\nif x\n    y\n")
    assert said is not None
    assert "expected ':'" in said
    assert "line 2" in said


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("\ufeff\ufeffx = 1\n".encode(), "\ufeffx = 1\n".encode()),
        (b"x\0 = 1\n", b"x = 1\n"),
        ("if x:\n\u00a0   y\n".encode(), b"if x:\n    y\n"),
        ("x = 1\u200b\ny = (\n".encode(), None),  # more is wrong than that
        ("x = ‘a’\n".encode(), None),  # no longer the safest
        (b"x = (\n", None),
    ],
)
def test_simple_repairs_are_only_the_invisible_ones(source: bytes, expected: bytes | None) -> None:
    assert simple_repairs(source) == expected


def test_low_confidence_is_a_suggestion() -> None:
    broken = b"x = (1, 2\nprint(x)\n"
    sure = repair(broken)
    assert sure.state == "fixed"
    unsure = repair(broken, min_confidence=0.999)
    assert (unsure.state, unsure.fixed) == ("suggested", sure.fixed)


@pytest.mark.parametrize(
    "source", [b"Dear all, how are you today?\nI am fine, thank you.\n" * 20, b"\0" * 500, b"((((" * 30]
)
def test_what_is_no_program_is_not_fixed(source: bytes) -> None:
    assert repair(source).state in ("not_fixed", "suggested")


def test_repairs_are_deterministic() -> None:
    broken = b"def f(a, b:\n    retrun a +\n\nprint f(1 2\n"
    first = repair(broken)
    assert all(repair(broken).fixed == first.fixed for _ in range(3))


def test_an_older_python_is_respected() -> None:
    source = b"match x:\n    case 1:\n        pass\n"
    assert repair(source).state == "intact"
    assert repair(source, python=(3, 9)).errors


def test_a_newer_python_is_noted() -> None:
    assert repair(b"x = (\n", python=(3, 99)).notes


def test_huge_source_is_refused_with_a_reason() -> None:
    found = repair(b"x = (\n" * (MAX_BYTES // 6 + 1))
    assert found.state == "not_fixed"
    assert "larger than" in found.why
