"""The security warning of 2024-11-05: a web page of another origin must not reach the server.

A server that looks for its own name anywhere in `Origin` is as open as one that does not look. What only a browser
with an error could send is a promise, not a MUST.

Source: modelcontextprotocol.io/specification/2024-11-05/basic/transports; RFC 6454
"""

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Final

import httpx2

from sse_conformance.client import Client, Headers, NotConformingError, Target, lines_of
from sse_conformance.scenarios.expect import served
from sse_conformance.session import open_session
from sse_conformance.verdict import Level, scenario

_SECURITY: Final = "transports, Security Warning"
_REFUSALS: Final = "Refusals"
_ATTACKER: Final = "attacker.example"
FOREIGN_ORIGIN: Final = {"origin": f"https://{_ATTACKER}"}
_OPAQUE: Final = ("null", "file://", "chrome-extension://abcdefghijklmnopabcdefghijklmnop")


@scenario(Level.MUST, _SECURITY)
async def origin_is_validated_on_get(client: Client) -> None:
    """Servers MUST validate the Origin header: a page of a foreign origin cannot open a stream."""
    if served((await client.get(headers=FOREIGN_ORIGIN)).status):
        raise NotConformingError("A GET with a foreign Origin was served.")


@scenario(Level.MUST, _SECURITY)
async def origin_is_validated_on_post(client: Client) -> None:
    """Servers MUST validate the Origin header: a page of a foreign origin cannot send a message."""
    session = await open_session(client)
    ping = session.next_request("ping")
    reply = await session.post(ping, FOREIGN_ORIGIN)
    await session.settle()
    if served(reply.status) or session.responses(ping["id"]):
        raise NotConformingError("A POST with a foreign Origin was served.")


@scenario(Level.MUST, _SECURITY)
async def a_longer_name_is_foreign(client: Client) -> None:
    """Servers MUST validate the Origin header: an origin that contains the server's own name is another origin."""
    found = [one for base in _bases(client.target) for one in _containing(*base)]
    await _expect_refused(client, found, "Origin is compared by substring, prefix or pattern")


@scenario(Level.MUST, _SECURITY)
async def a_name_with_the_same_end_is_foreign(client: Client) -> None:
    """Servers MUST validate the Origin header: an origin that ends with the server's own name is another origin."""
    found = [one for base in _bases(client.target) for one in _ending(*base)]
    await _expect_refused(client, found, "Origin is compared by suffix")


@scenario(Level.MUST, _SECURITY)
async def an_opaque_origin_is_foreign(client: Client) -> None:
    """Servers MUST validate the Origin header: any page can send `null`, from a frame in a sandbox."""
    await _expect_refused(client, _OPAQUE, "any page, file or extension can send that")


@scenario(Level.MUST, _SECURITY)
async def a_rebound_name_is_foreign(client: Client) -> None:
    """Servers MUST validate the Origin header, against DNS rebinding, in which `Host` and `Origin` agree."""
    scheme, _, port = _bases(client.target)[0]
    wrong: Headers = {"origin": f"{scheme}://{_ATTACKER}{port}", "host": f"{_ATTACKER}{port}"}
    await _expect_all_refused(client, [wrong], "Origin is compared with Host, which a rebound name controls")


@scenario(Level.PROMISE, _REFUSALS)
async def an_origin_is_compared_as_a_whole(client: Client) -> None:
    """Scheme and host decide as a whole, and what is no origin in the sense of RFC 6454 is refused."""
    found = [one for base in _bases(client.target) for one in _almost(*base)]
    await _expect_refused(client, found, "Origin is not compared as a whole")


@scenario(Level.PROMISE, _REFUSALS)
async def several_origins_are_refused(client: Client) -> None:
    """A request with several origins, in one `Origin` header or in two, is refused if one of them is foreign."""
    foreign = FOREIGN_ORIGIN["origin"]
    pairs = [pair for base in _bases(client.target) for pair in ((_origin(*base), foreign), (foreign, _origin(*base)))]
    values = [value for pair in pairs for value in (pair, ", ".join(pair), " ".join(pair))]
    await _expect_all_refused(client, [{"origin": value} for value in values], "one of several decides")


async def _expect_refused(client: Client, origins: Iterable[str], why: str) -> None:
    await _expect_all_refused(client, [{"origin": origin} for origin in origins], why)


async def _expect_all_refused(client: Client, wrong: Iterable[Headers], why: str) -> None:
    session = await open_session(client)
    pings = []
    for headers in wrong:
        shown = " and ".join(
            f"{name.capitalize()} {line}" for name, value in headers.items() for line in lines_of(value)
        )
        if served((await client.get(headers=headers)).status):
            raise NotConformingError(f"A GET with the {shown} was served: {why}.")
        pings.append((session.next_request("ping"), shown))
        if served((await session.post(pings[-1][0], headers)).status):
            raise NotConformingError(f"A POST with the {shown} was served: {why}.")
    await session.settle()
    for ping, shown in pings:
        if session.responses(ping["id"]):
            raise NotConformingError(f"A POST with the {shown} was refused and yet answered: {why}.")


Base = tuple[str, str, str]
"""Scheme, host, and port with its colon (empty if it is the scheme's own) of an origin that a server may accept."""


def _bases(target: Target) -> list[Base]:
    """Return the origins that the server may accept: its own, on loopback with its other names, and the given ones."""
    bases = []
    for url in map(httpx2.URL, (target.url, *target.origins)):
        port = "" if url.port is None else f":{url.port}"
        names = (url.host, "localhost", "127.0.0.1") if is_loopback(url.host) else (url.host,)
        bases += [(url.scheme, f"[{name}]" if ":" in name else name, port) for name in names]
    return list(dict.fromkeys(bases))


def _origin(scheme: str, host: str, port: str) -> str:
    return f"{scheme}://{host}{port}"


def _containing(scheme: str, host: str, port: str) -> Iterator[str]:
    yield f"{scheme}://{host}.{_ATTACKER}{port}"
    yield f"{scheme}://{host}.{_ATTACKER}"
    yield f"https://{host}-{_ATTACKER}"
    yield f"{scheme}://{_ATTACKER}/{_origin(scheme, host, port)}/"
    if "." in host:
        yield f"{scheme}://{host.replace('.', 'x')}{port}"  # matches a pattern whose dots stand for any character


def _ending(scheme: str, host: str, port: str) -> Iterator[str]:
    labels = host.split(".")
    others_can_have = host if is_loopback(host) or len(labels) <= 2 else ".".join(labels[1:])
    for name in (f"attacker{others_can_have}", f"attacker-{others_can_have}"):
        yield f"{scheme}://{name}{port}"
        yield f"https://{name}"
    yield f"{scheme}://{_ATTACKER}/{_origin(scheme, host, port)}"
    yield f"{scheme}://{_ATTACKER}/.{host}"


def _almost(scheme: str, host: str, port: str) -> Iterator[str]:
    yield f"{'http' if scheme == 'https' else 'https'}://{host}{port}"
    yield f"{scheme}://{host}.{port}"
    yield f"{scheme}://attacker@{host}{port}"
    yield f"{_origin(scheme, host, port)}@{_ATTACKER}"
    yield f"{_origin(scheme, host, port)}.{_ATTACKER}"
    yield f"{host}{port}"


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine by its loopback address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
