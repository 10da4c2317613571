"""Proves who is calling. Knows nothing of transports or tickets."""
