"""Where a request comes from, as far as it can be known: what a stranger writes into a header proves nothing. Pure.

Each proxy adds the address of whoever spoke to it at the right end of `X-Forwarded-For`. So with N proxies of our own
the N-th entry from the right was written by the outermost of them; whatever is further left the stranger chose.
"""

import ipaddress
from typing import Final

from starlette.requests import HTTPConnection

UNKNOWN: Final = "unknown"
"""Where the server was not told an address, for example on a socket of the file system."""
_IPV6_NETWORK: Final = 64


def client_address(request: HTTPConnection, trusted_proxies: int) -> str:
    """Return the IP address of the client, seen past `trusted_proxies` proxies; the peer's own with 0 of them.

    With fewer entries than proxies the request did not come through all of them, and every entry may be made up: the
    peer's address counts. Where the right entry is no address, the next one to the right is the outermost proxy known.
    """
    peer = parsed(request.client.host) if request.client is not None else None
    hops = [hop for line in request.headers.getlist("x-forwarded-for") for hop in line.split(",")]
    written_by_ours = hops[-trusted_proxies:] if 0 < trusted_proxies <= len(hops) else []
    seen = [address for hop in written_by_ours if (address := parsed(hop)) is not None]
    return seen[0] if seen else peer or UNKNOWN


def network_of(address: str) -> str:
    """Return what one client has to itself: an IPv4 address, or a /64 of IPv6, in which it may change at will."""
    if ":" not in address:
        return address
    return str(ipaddress.ip_network((address, _IPV6_NETWORK), strict=False))


def parsed(text: str) -> str | None:
    """Return an address in its one form, without brackets, port and zone, or None where it is none."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)
