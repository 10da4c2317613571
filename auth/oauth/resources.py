"""What this server is to OAuth: two resources, and the audiences of tokens for each. Pure.

`/mcp` is one, `/sse` with `/messages` the other, so that a token for one of them is refused by the other (RFC 8707).
A token for the public address alone is for both, as is one for a further name of the server: not every provider can
put an address into a token.
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final

_RESOURCE_OF: Final[Mapping[str, str]] = MappingProxyType({"mcp": "/mcp", "sse": "/sse", "messages": "/sse"})
PATHS: Final = tuple(dict.fromkeys(_RESOURCE_OF.values()))
"""Paths of the resources."""


class ProtectedResources:
    """The resources below one public address.

    Args:
        public_url: address that clients use.
        further_audiences: names under which providers know this server beside its address.
    """

    def __init__(self, public_url: str, further_audiences: Collection[str] = ()) -> None:
        self.base = public_url.rstrip("/")
        """The public address, without a slash at the end."""
        common = {self.base, f"{self.base}/", *further_audiences}
        self._common = frozenset(common)
        self._audiences = {path: frozenset({*common, self.base + path, f"{self.base}{path}/"}) for path in PATHS}

    def url_of(self, path: str) -> str:
        """Return the address of the resource that a request for `path` is about; the public one if it is neither."""
        return self.base + self.path_of(path)

    def path_of(self, path: str) -> str:
        """Return the path of the resource that a request for `path` is about; empty if it is neither.

        A path in front, of a proxy or of an application that this one is mounted in, does not matter.
        """
        return _RESOURCE_OF.get(path.rstrip("/").rpartition("/")[2], "")

    def named(self, resource: str) -> str | None:
        """Return the canonical address of the resource that `resource` names; None if no resource has that name.

        Scheme and host may be in upper case, and a slash may follow at the end (MCP authorization, canonical URI).
        """
        scheme, separator, rest = resource.partition("://")
        host, slash, path = rest.partition("/")
        plain = f"{scheme.lower()}{separator}{host.lower()}{slash}{path}".removesuffix("/")
        return plain if plain in {self.base, *(self.base + path for path in PATHS)} else None

    def audiences_of(self, path: str) -> frozenset[str]:
        """Return what the audience of a token for a request of `path` may be."""
        return self._audiences.get(self.path_of(path), self._common)
