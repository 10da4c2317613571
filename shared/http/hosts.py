"""Distinguishes loopback and private hosts from public ones by name and address, without looking them up. Pure.

A name counts as private if no public one can be like it: without a dot (of a container, of the local network), or below
a domain that is reserved for private use. Sources: RFC 6761 (.localhost), RFC 6762 (.local), RFC 8375 (.home.arpa),
ICANN resolution 2024.07.29.06 (.internal); which addresses are public: IANA's registries of special-purpose addresses,
RFC 6052 (NAT64) and RFC 4291 (global unicast is 2000::/3).
"""

import ipaddress
import socket
from typing import Final
from urllib.parse import urlsplit

_PRIVATE_DOMAINS: Final = (".internal", ".local", ".home.arpa")
_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_NOT_PUBLIC: Final = tuple(
    ipaddress.ip_network(network)
    # Some versions of Python count these as global; the fourth is where Azure serves its machines.
    for network in ("192.0.0.0/24", "192.88.99.0/24", "224.0.0.0/4", "168.63.129.16/32", "2002::/16", "3fff::/20")
)


def is_loopback(host: str) -> bool:
    """Return whether a connection to `host` stays on this machine."""
    host = _plain(host)
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = _ip(host)
    return address is not None and (address.is_loopback or address.is_unspecified)


def is_private(host: str) -> bool:
    """Return whether `host` is this machine, or can only be in a private network."""
    host = _plain(host)
    address = _ip(host)
    if address is not None:
        return not address.is_global
    return is_loopback(host) or "." not in host or host.endswith(_PRIVATE_DOMAINS)


def is_link_local(host: str) -> bool:
    """Return whether `host` is a link-local address, where clouds serve the credentials of their machines."""
    address = _ip(_plain(host))
    return address is not None and address.is_link_local


def is_public_address(address: str) -> bool:
    """Return whether `address` is an IP address that any host of the internet may have, also behind NAT64."""
    ip = _ip(_plain(address))
    if isinstance(ip, ipaddress.IPv6Address) and ip in _NAT64:
        ip = ipaddress.IPv4Address(ip.packed[-4:])
    if ip is None or not ip.is_global or any(ip in network for network in _NOT_PUBLIC):
        return False
    return isinstance(ip, ipaddress.IPv4Address) or ip in _GLOBAL_UNICAST


def may_carry_key(address: str, *, allow_private: bool) -> bool:
    """Return whether a key may be sent to `address`: by https, to this machine, or to a private host if allowed."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    may_be_clear = allow_private and is_private(host) and not is_link_local(host)
    return parts.scheme == "https" or is_loopback(host) or may_be_clear


def _plain(host: str) -> str:
    return host.lower().removesuffix(".").removeprefix("[").removesuffix("]")


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the IP address that a connection to `host` would use, also if it is spelled `127.1` or `0x7f000001`."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        try:
            return ipaddress.IPv4Address(socket.inet_aton(host))
        except OSError:
            return None
    return getattr(address, "ipv4_mapped", None) or address
