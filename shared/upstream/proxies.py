"""Finds the proxy through which a ticket API is reached, from the variables that other programs read too. Pure.

`HTTPS_PROXY` or `HTTP_PROXY` by the scheme of the address, else `ALL_PROXY`; `NO_PROXY` lists exceptions. Each may be
in lower case, which wins. This machine is never reached through a proxy. No message shows a value, which may contain a
password.
Source: curl's manual, whose rules most programs follow; addresses of networks (`10.0.0.0/8`) as in Go.
"""

import ipaddress
import re
from collections.abc import Mapping
from typing import Final

import httpx2

from shared.errors import UpstreamNotSetError
from shared.http.hosts import is_loopback
from shared.localization import localized

_PORTS: Final = {"http": 80, "https": 443}
_EXAMPLE: Final = "http://proxy.example:3128"
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class Proxies:
    """The proxies that `environment` names."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def of(self, address: str) -> httpx2.Proxy | None:
        """Return the proxy for the ticket API at `address`, or None for a direct connection.

        Raises:
            UpstreamNotSetError: a variable names no proxy that can be used; the message says which, without its value.
        """
        url = httpx2.URL(address)
        if is_loopback(url.host) or self._is_excepted(url.host, url.port or _PORTS[url.scheme]):
            return None
        for variable in (f"{url.scheme.upper()}_PROXY", "ALL_PROXY"):
            if value := self._value(variable):
                return _proxy(variable, value)
        return None

    def _value(self, variable: str) -> str:
        return (self._environment.get(variable.lower()) or self._environment.get(variable) or "").strip()

    def _is_excepted(self, host: str, port: int) -> bool:
        return any(_matches(one, host, port) for one in re.split(r"[,\s]+", self._value("NO_PROXY")) if one)


def _proxy(variable: str, value: str) -> httpx2.Proxy:
    try:
        url = httpx2.URL(value if _SCHEME.match(value) else f"http://{value}")
    except httpx2.InvalidURL:
        url = httpx2.URL("")
    if url.scheme.startswith("socks"):
        raise UpstreamNotSetError(
            localized(
                "{variable} names a SOCKS proxy, which this server cannot use. Set {variable} to an HTTP proxy, for "
                "example {example}, or name the host of the ticket API in NO_PROXY.",
                variable=variable,
                example=_EXAMPLE,
            )
        )
    if url.scheme not in _PORTS or not url.host:
        raise UpstreamNotSetError(
            localized(
                "{variable} must be the address of an HTTP proxy, for example {example}.",
                variable=variable,
                example=_EXAMPLE,
            )
        )
    return httpx2.Proxy(url, ssl_context=httpx2.create_ssl_context() if url.scheme == "https" else None)


def _matches(entry: str, host: str, port: int) -> bool:
    """Return whether an entry of `NO_PROXY` is for `host`: `*`, a domain with all below it, an address or a network."""
    if entry == "*":
        return True
    name, colon, only = entry.rpartition(":")
    if colon and only.isdecimal() and (":" not in name or name.endswith("]")):  # otherwise it is an IPv6 address
        if int(only) != port:
            return False
        entry = name
    entry = entry.lower().strip("[]")
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except (ValueError, TypeError):
        domain = entry.removeprefix("*").removeprefix(".").removesuffix(".")
        return bool(domain) and f".{host.lower().removesuffix('.')}".endswith(f".{domain}")
