"""The stand-in as a process: `python -m tests.standin --port 0 --api-key K`.

Prints `listening on http://127.0.0.1:PORT` once it accepts connections, and exits on SIGTERM.
"""

import argparse
import socket

import uvicorn

from tests.standin.app import create_app


def main() -> None:
    """Serve until a signal ends it."""
    parser = argparse.ArgumentParser(prog="python -m tests.standin", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 chooses a free one")
    parser.add_argument("--api-key", default="standin-key")
    arguments = parser.parse_args()
    app = create_app(api_key=arguments.api_key)
    with socket.create_server(("127.0.0.1", arguments.port)) as listener:
        print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        config = uvicorn.Config(app, log_level="warning", lifespan="off", ws="none", timeout_graceful_shutdown=2)
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
