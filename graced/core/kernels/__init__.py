"""What self_healing decides about kernels. Pure: (kernels, event, now) -> (kernels, actions)."""

from graced.core.kernels.machine import *  # noqa: F403
