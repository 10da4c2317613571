"""This project's transports with a server of the SDK mounted: `python -m bench.servers.mounted low|high PORT`.

With a key and limits, as `asgi_app` serves any server of the SDK; without identities, logs and tools of this project.
"""

import sys
from typing import Final

from auth.providers import APIKeyAuthProvider
from bench.servers.echo import high_level, low_level
from bench.servers.serving import serve
from shared.rate import Rate
from transport import asgi_app
from transport.rate_limit import Rates

KEY: Final = "only-for-measurements"
_NEVER_REACHED: Final = Rate(10_000_000, 10_000_000)
"""A limit costs the same however high it is."""

if __name__ == "__main__":
    kind, port = sys.argv[1:]
    limits = Rates(_NEVER_REACHED, _NEVER_REACHED, _NEVER_REACHED, _NEVER_REACHED)
    server = high_level() if kind == "high" else low_level()
    serve(asgi_app(server, auth_provider=APIKeyAuthProvider(KEY), rates=limits), port)
