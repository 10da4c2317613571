"""What the machine says before any setting is read: loopback, Cloud Run, and where files of the user belong."""

import ipaddress
import os
import sys
from pathlib import Path


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


def service_context(name: str, version: str) -> dict[str, str]:
    """Return the `service` and `version` by which errors and spans are grouped: on Cloud Run its own names of them."""
    environment = os.environ
    return {"service": environment.get("K_SERVICE") or name, "version": environment.get("K_REVISION") or version}


def default_host() -> str:
    """Return the address to listen on unless it is set."""
    return "0.0.0.0" if on_cloud_run() else "127.0.0.1"  # noqa: S104 - only reachable through Cloud Run's front end


def default_proxies() -> int:
    """Return how many proxies are in front unless it is set."""
    return 1 if on_cloud_run() else 0  # its front end adds one address: the caller's


def data_folder() -> Path:
    """Return the user's folder for the data of this program. It may not exist yet."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or _home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = _home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or _home() / ".local" / "share")
    return base / "mcp-ticket-server"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # the user of a container may have none
        return Path.cwd()
