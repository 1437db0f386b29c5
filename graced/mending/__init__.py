"""Mending files in watched trees: the scan, and a fix applied so that no kill can lose a byte. Runs in workers."""
