"""What decoding bytes may raise that anybody could have written: files of a home, messages, rows."""

from typing import Final

import msgspec

UNDECODABLE: Final = (msgspec.DecodeError, ValueError, RecursionError, OverflowError)
"""Bytes that are no UTF-8 come as a UnicodeDecodeError, a ValueError, which is none of msgspec's own; what is nested
thousands deep as a RecursionError; a number past any range as an OverflowError."""
