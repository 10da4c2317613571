"""What runs before there is an environment: sets up, starts, explains. Standard library only.

`run.py` is its command line. Knows processes, folders and the settings that it passes on; nothing of tickets. Only
`bootstrap.services` runs inside the environment that the rest makes.
"""
