"""Sessions, request ids and event logs: the broker's contract and its in-memory implementation."""
