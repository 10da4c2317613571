"""The servers that are compared, each a program of its own: `python -m bench.servers.NAME … PORT`.

They import nothing of the rest of `bench`, because some run in an environment with other packages.
"""
