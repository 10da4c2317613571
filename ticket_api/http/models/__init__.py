"""The shapes of requests and responses: the source of validation and of the OpenAPI document.

Names are in snake case in Python, on the wire as in the existing API. Unknown names are refused: ignoring a filter
silently would return the wrong tickets.
"""
