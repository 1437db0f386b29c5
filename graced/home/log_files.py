"""What lies beside the logs of kernels: the lock of the log writer, and the note about a log that was taken away."""

import os

from graced.home.paths import Home


def lock_path(home: Home) -> str:
    """Held by the one log writer of the home."""
    return os.path.join(home.run, "logwriter.lock")


def gap_note(path: str) -> str:
    """Beside a log: JSON {at, bytes, inode} about what was in the file of that name before somebody took it away."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.moved")
