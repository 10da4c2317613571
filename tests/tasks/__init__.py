"""Thirty tasks of a support day, each played over both ticket APIs and every wire: `*.toml`.

A task says what a person asks, the shortest way to do it in calls of tools, what the database must contain afterwards,
and how many calls and tokens the way may take. `task` reads the files, `desk` serves the tickets, `door` is the server,
`play` makes the calls, `verify` compares the tickets with what is promised, and `table` writes docs/tools.md.
"""
