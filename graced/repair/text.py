"""Bytes to text and back, so that what no edit touches comes back byte for byte: encoding, BOM, newlines."""

import codecs
import re
from typing import NamedTuple

BOM = codecs.BOM_UTF8
_COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_BLANK = re.compile(rb"^[ \t\f]*(?:[#\r\n]|$)")
_HIGH = re.compile(r"[^\x00-\x7f\xa0]+")  # rows of no-break spaces are as Western as one
_WESTERN = frozenset(map(chr, range(0xC0, 0x100))) | frozenset("ŠŒŽšœžŸ€…–—‘’“”•™«»¡¿§©®°±²³·´µºª£¼½¾")
WESTERN_LEAST = 0.75
"""The share of a text's characters beyond ASCII that must look Western, for it to be taken for such."""
_WIDE = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Decoded(NamedTuple):
    """`text` without its BOM; `note` says what was wrong with the encoding and is mended by writing it back.

    `sure`: False where nobody knows what encoding the bytes are in.
    """

    text: str
    encoding: str
    bom: bool
    note: str = ""
    sure: bool = True

    def encode(self, text: str) -> bytes:
        """UnicodeEncodeError if `text` has a character that the file's encoding lacks."""
        return (BOM if self.bom else b"") + text.encode(self.encoding, "surrogateescape")


def cookie_of(source: bytes) -> tuple[int, int, str] | None:
    """(start, end, name) of the encoding declared in the first two lines (PEP 263), None if there is none."""
    at = 0
    for _ in range(2):
        end = source.find(b"\n", at)
        line = source[at : end if end >= 0 else len(source)]
        match = _COOKIE.match(line)
        if match is not None:
            return at + match.start(1), at + match.end(1), match.group(1).decode("ascii", "replace")
        if not _BLANK.match(line) or end < 0:
            return None
        at = end + 1
    return None


def declared_codec(source: bytes) -> str | None:
    """The normal name of the codec that `source` says it is in, None if there is none of that name."""
    cookie = cookie_of(source.removeprefix(BOM))
    declared = cookie[2] if cookie is not None and not source.startswith(BOM) else "utf-8"
    return _usable(b"", declared)


def exact_codec(source: bytes) -> str | None:
    """The codec that `source` says it is in, if its bytes are text in it, and come back the same."""
    declared = declared_codec(source)
    return None if declared is None else _usable(source.removeprefix(BOM), declared)


def decode(source: bytes) -> Decoded:
    """The text that `source` means, where need be with the encoding declared anew. Never raises."""
    for mark, name in _WIDE:
        if source.startswith(mark):
            text = source.decode(name, "replace")
            return Decoded(text, "utf-8", False, f"was {name.upper()}, is UTF-8 now")
    bom = source.startswith(BOM)
    body = source[len(BOM) :] if bom else source
    cookie = cookie_of(body)
    declared = cookie[2] if cookie is not None else "utf-8"
    usable = _usable(body, declared)
    if bom and cookie is not None and usable is not None and usable != "utf-8" and _usable(body, "utf-8"):
        return _declared_anew(body, cookie, "utf-8", bom, f"a UTF-8 BOM contradicts the declared {declared}")
    if usable is not None:
        return Decoded(body.decode(usable), usable, bom)
    if (declared == "utf-8" or _usable(b"", declared) == "utf-8") and _is_mostly_utf8(body):
        text, strange = _patched(body)
        note = "bytes that were not UTF-8 are taken for Windows-1252"
        return Decoded(text, "utf-8", bom, note, _is_western(strange))
    better = next(name for name in ("utf-8", "cp1252", "latin-1") if _usable(body, name))
    reason = f"not decodable as {declared}"
    if cookie is not None:
        return _declared_anew(body, cookie, better, bom, f"{reason}: declared as {better}")
    newline = b"\r\n" if b"\r\n" in body else b"\n"
    at = body.find(b"\n") + 1 if body.startswith(b"#!") else 0
    body = body[:at] + b"# -*- coding: " + better.encode() + b" -*-" + newline + body[at:]
    text = body.decode(better)
    return Decoded(text, better, False, f"{reason}: declared as {better}", better == "utf-8" or _is_western(text))


def _usable(body: bytes, name: str) -> str | None:
    """The normal name of a codec that decodes `body` to text and back without loss, or None."""
    try:
        found = codecs.lookup(name)
        if not getattr(found, "_is_text_encoding", True):
            return None
        text = body.decode(found.name)
        if text.encode(found.name) != body:
            return None
    except (LookupError, UnicodeError, ValueError, AssertionError):
        return None
    return found.name


def _declared_anew(body: bytes, cookie: tuple[int, int, str], name: str, bom: bool, note: str) -> Decoded:
    body = body[: cookie[0]] + name.encode() + body[cookie[1] :]
    text = body.decode(name)
    return Decoded(text, name, bom and name == "utf-8", note, name == "utf-8" or _is_western(text))


def _is_mostly_utf8(body: bytes) -> bool:
    """Most bytes that are not ASCII: elsewhere a pair of them is UTF-8 by chance (GBK, EUC-JP)."""
    strange = sum(map(_is_strange, body.decode("utf-8", "surrogateescape")))
    return strange * 2 < sum(byte >= 0x80 for byte in body)


def _is_strange(char: str) -> bool:
    return "\udc80" <= char <= "\udcff"


def _is_western(text: str) -> bool:
    """Letters and signs of Western languages that stand alone among ASCII: what else has bytes like these has rows."""
    high = [char for run in _HIGH.findall(text) for char in run]
    lone = [run for run in _HIGH.findall(text) if len(run) == 1 and run in _WESTERN]
    return len(lone) >= WESTERN_LEAST * len(high)


def _patched(body: bytes) -> tuple[str, str]:
    """UTF-8 where it is, Windows-1252 (else Latin-1) for the bytes that are not; and those, as words."""
    text = body.decode("utf-8", "surrogateescape")
    strange: list[str] = []

    def proper(match: re.Match[str]) -> str:
        raw = match.group().encode("utf-8", "surrogateescape")
        try:
            strange.append(raw.decode("cp1252"))
        except UnicodeDecodeError:
            strange.append(raw.decode("latin-1"))
        return strange[-1]

    mended = re.sub("[\udc80-\udcff]+", proper, text)
    return mended, " ".join(strange)
