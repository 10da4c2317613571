"""Measures this server beside what people use instead: `python3 run.py bench`; docs/performance.md explains it."""
