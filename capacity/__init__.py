"""What a deployment needs and costs, and what happens when all of its clients come back at once.

`python -m capacity` rewrites the tables of docs/capacity.md and docs/cost.md from `figures.toml` and `prices.toml`.
"""
