"""The HTTP side of every wire: what a request must look like, errors as responses, and event streams."""
