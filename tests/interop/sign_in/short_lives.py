"""The HTTP server, except that its access tokens live for a few seconds, and clocks may not differ.

A client has to renew its token while a test waits. Run with `python -m tests.interop.sign_in.short_lives SECONDS`.
"""

import sys

from auth.oauth import claims

claims.__dict__["LEEWAY_S"] = 0.0  # before the server imports it

from auth.authorization_server import tokens  # noqa: E402

tokens.__dict__["LIFE_S"] = int(sys.argv[1])

from cloud_mcp_server import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
