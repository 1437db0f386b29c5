"""No descriptor, no memory: what says nothing about the thing that was asked for.

Who reads "there is no such process" out of any error takes everyone for dead as soon as the table of files is full.
"""

import errno

OUT_OF_FILES = (errno.EMFILE, errno.ENFILE)
SHORT = (*OUT_OF_FILES, errno.ENOMEM)


def unless_short(error: OSError) -> None:
    """Raises it again when it comes of a shortage of ours."""
    if error.errno in SHORT:
        raise error
