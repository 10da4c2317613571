"""The HTTP server of both programs: bounded connections, client addresses."""
