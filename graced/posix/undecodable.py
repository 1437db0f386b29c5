"""What decoding bytes may raise that anybody could have written: files of a home, messages, rows."""

from typing import Final

import msgspec

UNDECODABLE: Final = (msgspec.DecodeError, ValueError)
"""Bytes that are no UTF-8 come as a UnicodeDecodeError, a ValueError, which is none of msgspec's own."""
