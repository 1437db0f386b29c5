"""A file's lines as text and as bytes, so that a line that nobody edits keeps its bytes, newline and all."""

import codecs
from collections.abc import Sequence

from msgspec import Struct

from graced.repair.text import BOM, declared_codec, exact_codec

REPLACED = "\ufffd"
"""What stands for bytes that are no text."""


class Unfit(Exception):
    """An answer that cannot be made the file's bytes; the text says why."""


class Lines(Struct, frozen=True):
    """`raw`: bytes with their newlines. `texts`: what they say, without. `codec`: None where they are no text in it."""

    bom: bytes
    raw: list[bytes]
    texts: list[str]
    codec: str | None

    @property
    def text(self) -> str:
        """The whole, as whoever is to mend it should see it: with its own newlines, without the BOM."""
        return "".join(text + _end(raw).decode() for text, raw in zip(self.texts, self.raw, strict=True))

    def woven(self, plan: Sequence[int | str]) -> bytes:
        """The file anew: a number is the line of that index, a text a new line. Raises Unfit.

        A new line gets the newline of the line in whose place it stands, else of the one above it.
        """
        kept = {entry for entry in plan if isinstance(entry, int)}
        parts: list[bytes] = []
        at = -1
        for entry in plan:
            if isinstance(entry, int):
                at = entry
                parts.append(self.raw[at])
            else:
                at += at + 1 < len(self.raw) and at + 1 not in kept
                parts.append(self._encoded(entry) + self._newline(max(at, 0)))
            if len(parts) > 1 and not _end(parts[-2]):
                parts[-2] += self._newline(at)
        if parts and self.raw and not _end(self.raw[-1]):
            parts[-1] = parts[-1].removesuffix(_end(parts[-1]))
        after = self.bom + b"".join(parts)
        if self.codec is not None and exact_codec(after) != self.codec:
            raise Unfit("its answer declares another encoding")
        return after

    def _encoded(self, text: str) -> bytes:
        if REPLACED in text and not any(REPLACED in line for line in self.texts):
            raise Unfit("its answer has U+FFFD where the file has other characters")
        try:
            return text.encode(self.codec or "ascii")
        except UnicodeEncodeError as error:
            missing = f"U+{ord(text[error.start]):04X}"
            raise Unfit(f"its answer has {missing}, which the encoding of the file has not") from None

    def _newline(self, index: int) -> bytes:
        """That of the line, or of the nearest above it that has one."""
        return next((end for i in range(min(index, len(self.raw) - 1), -1, -1) if (end := _end(self.raw[i]))), b"\n")


def lines_of(source: bytes) -> Lines:
    """Never raises: where the bytes are no text in the declared encoding, U+FFFD stands for some."""
    bom = BOM if source.startswith(BOM) else b""
    body = source[len(bom) :]
    raw = body.splitlines(keepends=True) if b"\n" not in body else at_newlines(body)
    bare = [line.removesuffix(_end(line)) for line in raw]
    codec = exact_codec(source)
    if codec is not None:
        try:
            return Lines(bom, raw, [line.decode(codec) for line in bare], codec)
        except UnicodeError:  # its state goes on from line to line
            pass
    name = declared_codec(source) or "utf-8"
    try:
        return Lines(bom, raw, [codecs.decode(line, name, "replace") for line in bare], None)
    except UnicodeError:  # punycode and idna know no "replace"
        return Lines(bom, raw, [line.decode("utf-8", "replace") for line in bare], None)


def at_newlines(body: bytes) -> list[bytes]:
    """The lines with their newlines, split at \\n alone."""
    *whole, rest = body.split(b"\n")
    return [line + b"\n" for line in whole] + ([rest] if rest else [])


def _end(line: bytes) -> bytes:
    return next((end for end in (b"\r\n", b"\n", b"\r") if line.endswith(end)), b"")
