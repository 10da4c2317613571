"""Where clients reach this application: the address that its operator names, else the path it is mounted at. Pure.

A proxy may serve the application below a path of its own (`MCP_PUBLIC_URL=https://example.com/tickets`) and pass
requests on without that path, which only the operator knows; an ASGI server or another application gives its own path
in `root_path`. Paths are percent-encoded and have one slash in front, as two would begin the name of another host.
Sources: RFC 3986, sections 3.3 and 4.2; ASGI HTTP connection scope.
"""

from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote, urlsplit

_PATH: Final = "/:@!$&'()*+,;=~"
"""What stands in a path as it is, beside letters, digits and `_.-`: RFC 3986, `pchar`."""


def base_of(public_url: str, root_path: str) -> str:
    """Return the address of the application without a slash at the end; a path where its host is not known.

    Args:
        public_url: address that clients use; empty if it is not known.
        root_path: where the application is mounted, as ASGI says.
    """
    origin, path = _split(public_url)
    return origin + (path or _encoded(root_path))


def path_of(public_url: str, root_path: str) -> str:
    """Return the path of the application, which is empty at the top; see `base_of`."""
    return _split(public_url)[1] or _encoded(root_path)


def prefix_of(public_url: str) -> str:
    """Return the path of `public_url` as requests bring it in ASGI, without percent-encoding."""
    return unquote(_split(public_url)[1])


@lru_cache(maxsize=16)
def _split(public_url: str) -> tuple[str, str]:
    parts = urlsplit(public_url)
    origin = f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
    return origin, _encoded(parts.path, also="%")


def _encoded(path: str, *, also: str = "") -> str:
    names = path.strip("/")
    return f"/{quote(names, safe=_PATH + also)}" if names else ""
