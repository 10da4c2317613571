"""Dates and moments: what arguments mean, what results show, and the one zone of both."""
