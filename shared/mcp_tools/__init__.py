"""The tools as MCP clients see them: catalog, inputs, rendering and the boundary of a tool call."""
