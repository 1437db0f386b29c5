"""Mending files on disk: which do not compile, a repair proved and put in place, and taken back if it did not help.

Used by `graced fix` and, in worker processes, by coding_agent and self_healing. The repair itself is graced.repair.
"""
