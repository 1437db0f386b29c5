"""graced: a self-healing process supervisor whose healers heal each other."""

__version__ = "0.1.0"
