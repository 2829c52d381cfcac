"""Fault drills: the line under load, broken on purpose, and then held to account. `python -m drills --help`."""
