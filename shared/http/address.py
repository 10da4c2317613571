"""Determines the client address of a request; header entries written by clients are not trusted. Pure.

Each proxy appends its peer's address at the right end of `X-Forwarded-For`. So with N trusted proxies, the N-th entry
from the right was written by the outermost of them; everything further left was chosen by the client.
"""

import ipaddress
from typing import Final

from starlette.requests import HTTPConnection

UNKNOWN: Final = "unknown"
"""Used if the server has no client address, for example on a Unix domain socket."""
_IPV6_NETWORK: Final = 64


def client_address(request: HTTPConnection, trusted_proxies: int) -> str:
    """Return the client's IP address behind `trusted_proxies` proxies; with 0 proxies, the peer's address.

    With fewer entries than proxies, the request bypassed a proxy and every entry may be forged, so the peer's address
    counts. If the chosen entry is not an address, the next one to its right is the outermost known proxy.
    """
    peer = parsed(request.client.host) if request.client is not None else None
    hops = [hop for line in request.headers.getlist("x-forwarded-for") for hop in line.split(",")]
    written_by_ours = hops[-trusted_proxies:] if 0 < trusted_proxies <= len(hops) else []
    seen = [address for hop in written_by_ours if (address := parsed(hop)) is not None]
    return seen[0] if seen else peer or UNKNOWN


def network_of(address: str) -> str:
    """Return the network of one client: its IPv4 address, or its IPv6 /64, where it can change its address freely."""
    if ":" not in address:
        return address
    return str(ipaddress.ip_network((address, _IPV6_NETWORK), strict=False))


def parsed(text: str) -> str | None:
    """Return an address in canonical form, without brackets, port and zone, or None if `text` is not an address."""
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
