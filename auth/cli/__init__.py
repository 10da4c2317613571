"""The commands of `python -m auth`, a file for each thing they look after."""
