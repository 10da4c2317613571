"""The HTTP server of both programs: bounded connections and client addresses."""
