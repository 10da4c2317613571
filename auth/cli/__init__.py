"""The commands of `python -m auth`, one file per kind of object."""
