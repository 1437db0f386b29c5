"""trigger: the second, independent watcher of critical kernels."""

from graced.members.delegates import Delegate


class Trigger(Delegate):
    pass
