"""The thin layer over Linux: clocks, processes, locks, files, births and deaths.

It decides nothing and imports nothing of graced outside this package.
"""
