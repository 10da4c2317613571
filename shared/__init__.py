"""Shared by all entry points: settings, errors, the API client, the ticket tools and the one MCP server."""
