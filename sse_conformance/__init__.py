"""A conformance suite for HTTP+SSE (MCP 2024-11-05): a black-box client that tells what a server does and does not do.

Knows nothing of any server. Start it with `python -m sse_conformance URL`; README.md says more.
"""
