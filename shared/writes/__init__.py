"""Writes: sent once, verified by reading back, and reported accurately."""
