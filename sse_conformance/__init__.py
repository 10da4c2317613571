"""A conformance suite for HTTP+SSE (MCP 2024-11-05): a black-box client that reports what a server does or does not do.

Independent of any server. Run it with `python -m sse_conformance URL`; see README.md.
"""
