"""What both doors share: settings, errors, the API client, the ticket tools and the one MCP server."""
