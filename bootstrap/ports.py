"""Whether a server could listen, found out before the set-up instead of after it."""

import errno
import ipaddress
import json
import os
import socket
import urllib.request

from bootstrap.machine import stop

_ASKED_S = 2.0


def is_loopback(host: str) -> bool:
    """Return whether `host`, a name or an address, can be reached only from this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def refuse_a_taken_port(host: str, port: int) -> None:
    """Exit if the server could not listen."""
    if why := why_not(host, port):
        stop(why)


def why_not(host: str, port: int) -> str | None:
    """Return why a server could not listen there, and what to do; None if it could."""
    if not 0 <= port <= 65535:
        return f"{port} is not a port; choose one from 1024 to 65535."
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            if os.name == "posix":  # as the server does; on Windows it would allow what must be refused
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            return f"Cannot listen on {host}, port {port}: {error.strerror}. Choose others with --host and --port."
        other = f"--port {port + 1 if port < 65535 else port - 1}"
        if is_this_server(host, port):
            return f"This ticket server already runs on port {port}. Use it, or start another with {other}."
        return f"Port {port} is taken by another program. Choose another, for example {other}."
    return None


def is_this_server(host: str, port: int) -> bool:
    """Return whether a ticket server answers there."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - it is not bound, but called
    address = f"[{reachable}]:{port}" if ":" in reachable else f"{reachable}:{port}"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{address}/health", timeout=_ASKED_S) as response:
            health = json.loads(response.read(10_000))
    except (OSError, ValueError):
        return False
    return isinstance(health, dict) and health.get("status") == "healthy" and "auth_enabled" in health
