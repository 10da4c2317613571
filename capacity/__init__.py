"""How much a deployment needs, and what happens when all of its clients come back at once; docs/capacity.md.

`python -m capacity` rewrites the tables of that page from the figures in `figures.toml`.
"""
