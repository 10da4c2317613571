"""What the machine says before any setting is read: whether an address is loopback, and whether this is Cloud Run."""

import ipaddress
import os


def is_loopback(host: str) -> bool:
    """Return whether a server bound to `host` is reachable only from this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def on_cloud_run() -> bool:
    """Return whether this process runs on Cloud Run, which sets `K_SERVICE`."""
    return bool(os.environ.get("K_SERVICE"))


def default_host() -> str:
    """Return the address to listen on unless it is set."""
    return "0.0.0.0" if on_cloud_run() else "127.0.0.1"  # noqa: S104 - only reachable through Cloud Run's front end


def default_proxies() -> int:
    """Return how many proxies are in front unless it is set."""
    return 1 if on_cloud_run() else 0  # its front end adds one address: the caller's
