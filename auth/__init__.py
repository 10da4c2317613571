"""Proves who is calling; keeps organisations, people, keys and the audit. Knows nothing of transports or tickets."""
