"""The HTTP server of every Python program that is compared: as this server runs, without access logs."""

from typing import Any

import uvicorn


def serve(app: Any, port: str) -> None:
    """Serve an ASGI application on loopback until the process is ended."""
    uvicorn.run(
        app, host="127.0.0.1", port=int(port), log_level="error", loop="uvloop", http="httptools", access_log=False
    )
