#!/usr/bin/env python3
"""A real conversation with a server that was just deployed. Standard library only.

    smoke.py https://ADDRESS --key-file FILE [--version 1.2.3]

Asks whether it is ready, that it refuses callers without a key, and calls one read-only tool over each transport:
Streamable HTTP in the revisions 2025-11-25 and 2026-07-28, and HTTP+SSE. The key is read from a file (`-` is the
standard input) or from SMOKE_KEY: the command lines of a machine are visible to its other users.

Exit codes: 0 everything works; 1 something does not, and the last line says what.
"""

import argparse
import http.client
import itertools
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

TOOL: Final = "get_statuses"
"""It reads, needs no arguments, and asks the ticket API."""
HANDSHAKE: Final = "2025-11-25"
STATELESS: Final = "2026-07-28"
SSE: Final = "2024-11-05"
META: Final = "io.modelcontextprotocol/"
CLIENT: Final = {"name": "smoke-test", "version": "1"}
CALL: Final = {"name": TOOL, "arguments": {}}
INITIALIZED: Final = {"jsonrpc": "2.0", "method": "notifications/initialized"}
LONGEST: Final = 4 * 1024 * 1024
RETRY_S: Final = 1.0

Message = dict[str, Any]
Headers = Mapping[str, str]
NONE: Final[Headers] = {}


class SmokeError(Exception):
    """What does not work, as a sentence."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirects: the key is for this address alone."""

    def redirect_request(self, *_: object) -> None:
        return None


class Deployment:
    """The deployed server at an address; every wait is bounded by `timeout_s`."""

    def __init__(self, address: str, key: str, timeout_s: float) -> None:
        self._address = address.rstrip("/")
        self._key = key
        self._timeout_s = timeout_s
        self._opener = urllib.request.build_opener(_NoRedirects)
        self._ids = itertools.count(1)

    @contextmanager
    def open(
        self, path: str, message: Message | None = None, headers: Headers = NONE, *, with_key: bool = True
    ) -> Iterator[http.client.HTTPResponse]:
        """Send a GET, or a POST with a message; yields the response, whatever its status. Raises: SmokeError."""
        url = urllib.parse.urljoin(f"{self._address}/", path)
        if urllib.parse.urlsplit(url)[:2] != urllib.parse.urlsplit(self._address)[:2]:
            raise SmokeError(f"{url} is another server, which must not get the key.")
        request = urllib.request.Request(  # noqa: S310 - main() accepts http and https alone
            url,
            data=None if message is None else json.dumps(message).encode(),
            headers={"content-type": "application/json", "accept": "application/json, text/event-stream"}
            | ({"x-api-key": self._key} if with_key else {})
            | dict(headers),
        )
        try:
            try:
                response = self._opener.open(request, timeout=self._timeout_s)
            except urllib.error.HTTPError as error:
                response = error
            with response:
                yield response
        except (OSError, http.client.HTTPException) as error:
            raise SmokeError(f"{request.get_method()} {path}: no response: {error or type(error).__name__}") from error

    def status(
        self, path: str, message: Message | None = None, headers: Headers = NONE, *, with_key: bool = True
    ) -> int:
        """Return the status of a response."""
        with self.open(path, message, headers, with_key=with_key) as response:
            return int(response.status)

    def request(self, method: str, params: Message) -> Message:
        """Return a request with an id of its own."""
        return {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}

    def ask(self, method: str, params: Message, headers: Headers = NONE) -> tuple[Message, str]:
        """Send a request to `/mcp`; returns its result, and the id of a session. Raises: SmokeError."""
        message = self.request(method, params)
        with self.open("mcp", message, headers) as response:
            if response.status != 200:
                raise SmokeError(f"{method}: HTTP {response.status}: {_text(response)}")
            session = response.headers.get("mcp-session-id", "")
            if response.headers.get_content_type() == "text/event-stream":
                return self.result(response, message), session
            return _result(json.loads(response.read(LONGEST)), method), session

    def result(self, stream: http.client.HTTPResponse, message: Message) -> Message:
        """Return the result of a request from a stream that carries its response. Raises: SmokeError."""
        for _, data in self.events(stream):
            said = json.loads(data) if data else {}
            if said.get("id") == message["id"] and "method" not in said:
                return _result(said, message["method"])
        raise SmokeError(f"{message['method']}: the stream ended without its response.")

    def events(self, stream: http.client.HTTPResponse) -> Iterator[tuple[str, str]]:
        """Yield the name and the data of each event, until the stream ends. Raises: SmokeError."""
        deadline = time.monotonic() + self._timeout_s
        name, data = "message", ""
        while line := stream.readline(LONGEST).decode():
            if time.monotonic() > deadline:
                raise SmokeError(f"The stream did not carry what was expected within {self._timeout_s:g} s.")
            field, _, value = line.rstrip("\r\n").partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                data += value
            elif not field and not value:
                if data:
                    yield name, data
                name, data = "message", ""


def _result(response: Message, method: str) -> Message:
    if "result" not in response:
        raise SmokeError(f"{method}: {json.dumps(response.get('error', response), ensure_ascii=False)[:500]}")
    return dict(response["result"])


def _text(response: http.client.HTTPResponse) -> str:
    return response.read(500).decode(errors="replace").strip()


# ---- what is tried, in this order ----------------------------------------------------------------------------------


def offered(server: Deployment, patience_s: float) -> str:
    """It is alive, and becomes ready in time; returns which transports it is set to serve: `all` or the only one."""
    deadline = time.monotonic() + patience_s
    with server.open("health", with_key=False) as response:
        if response.status != 200:
            raise SmokeError(f"/health: HTTP {response.status} instead of 200.")
        transports = str(json.loads(response.read(LONGEST))["transport"])
    while (status := server.status("ready", with_key=False)) != 200:
        if time.monotonic() > deadline:
            raise SmokeError(f"/ready: HTTP {status} for {patience_s:g} s; `/ready` with the operator key says why.")
        time.sleep(RETRY_S)
    return transports


def refuses_callers_without_a_key(server: Deployment, path: str, message: Message | None) -> None:
    """It answers 401."""
    if (status := server.status(path, message, with_key=False)) != 401:
        raise SmokeError(f"/{path} without a key: HTTP {status} instead of 401.")


def serves_sessions(server: Deployment, version: str) -> None:
    """Streamable HTTP, 2025-11-25: handshake, list and call."""
    told, session_id = server.ask("initialize", _introduction(HANDSHAKE))
    _check_version(told, version)
    session = {"mcp-session-id": session_id, "mcp-protocol-version": HANDSHAKE}
    if (status := server.status("mcp", INITIALIZED, session)) != 202:
        raise SmokeError(f"notifications/initialized: HTTP {status} instead of 202.")
    listed, _ = server.ask("tools/list", {}, session)
    if TOOL not in [tool["name"] for tool in listed["tools"]]:
        raise SmokeError(f"tools/list: {TOOL} is missing; may this key read tickets?")
    _check_call(server.ask("tools/call", CALL, session)[0])


def serves_stateless_requests(server: Deployment) -> None:
    """Streamable HTTP, 2026-07-28: discovery and call."""
    envelope = {"_meta": {f"{META}protocolVersion": STATELESS, f"{META}clientCapabilities": {}}}
    headers = {"mcp-protocol-version": STATELESS, "mcp-method": "server/discover"}
    discovered, _ = server.ask("server/discover", envelope, headers)
    if STATELESS not in discovered["supportedVersions"]:
        raise SmokeError(f"server/discover: {STATELESS} is not among the versions that it supports.")
    headers = {"mcp-protocol-version": STATELESS, "mcp-method": "tools/call", "mcp-name": TOOL}
    _check_call(server.ask("tools/call", CALL | envelope, headers)[0])


def serves_sse(server: Deployment, version: str) -> None:
    """HTTP+SSE: the endpoint event, handshake and call over one stream."""
    with server.open("sse", headers={"accept": "text/event-stream"}) as stream:
        if stream.status != 200:
            raise SmokeError(f"/sse: HTTP {stream.status}: {_text(stream)}")
        name, endpoint = next(server.events(stream), ("", ""))
        if name != "endpoint":
            raise SmokeError(f"/sse: the first event is {name!r} instead of 'endpoint'.")
        _check_version(_over(server, stream, endpoint, server.request("initialize", _introduction(SSE))), version)
        server.status(endpoint, INITIALIZED)
        _check_call(_over(server, stream, endpoint, server.request("tools/call", CALL)))


def _over(server: Deployment, stream: http.client.HTTPResponse, endpoint: str, message: Message) -> Message:
    if (status := server.status(endpoint, message)) != 202:
        raise SmokeError(f"{message['method']} over SSE: HTTP {status} instead of 202.")
    return server.result(stream, message)


def _introduction(revision: str) -> Message:
    return {"protocolVersion": revision, "capabilities": {}, "clientInfo": CLIENT}


def _check_version(told: Message, version: str) -> None:
    found = told["serverInfo"]["version"]
    if version and found != version:
        raise SmokeError(f"It is version {found} instead of {version}.")


def _check_call(result: Message) -> None:
    if result.get("isError"):
        raise SmokeError(f"tools/call {TOOL}: {json.dumps(result.get('content'), ensure_ascii=False)[:500]}")


# ---- the command line ----------------------------------------------------------------------------------------------


def key_from(file: str) -> str:
    """Return the key from a file, the standard input (`-`) or SMOKE_KEY. Raises: SmokeError."""
    try:
        key = sys.stdin.read() if file == "-" else Path(file).read_text() if file else os.environ.get("SMOKE_KEY", "")
    except OSError as error:
        raise SmokeError(f"The key cannot be read: {error}") from error
    if not key.strip():
        raise SmokeError("There is no key: set SMOKE_KEY, or name a file with --key-file.")
    return key.strip()


def conversation(server: Deployment, options: argparse.Namespace) -> Iterator[str]:
    """Try everything, and yield what works. Raises: SmokeError."""
    transports = offered(server, options.patience)
    yield "is ready"
    if transports != "sse":
        refuses_callers_without_a_key(server, "mcp", server.request("ping", {}))
        serves_sessions(server, options.version)
        yield f"serves sessions of {HANDSHAKE}"
        serves_stateless_requests(server)
        yield f"serves requests of {STATELESS}"
    if transports != "streamable_http":
        refuses_callers_without_a_key(server, "sse", None)
        serves_sse(server, options.version)
        yield "serves HTTP+SSE"


def main(arguments: Sequence[str]) -> int:
    """Run all steps; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("address", help="where the server answers: https://…")
    parser.add_argument("--key-file", default="", help="has the key; - is the standard input; default: SMOKE_KEY")
    parser.add_argument("--version", default="", help="that it must have")
    parser.add_argument("--timeout", type=float, default=20.0, help="seconds of each wait (default: %(default)s)")
    parser.add_argument("--patience", type=float, default=60.0, help="seconds to become ready (default: %(default)s)")
    options = parser.parse_args(arguments)
    if not options.address.startswith(("http://", "https://")):
        parser.error("the address must begin with http:// or https://")
    try:
        server = Deployment(options.address, key_from(options.key_file), options.timeout)
        for says in conversation(server, options):
            print(f"{options.address} {says}.", flush=True)
    except (SmokeError, ValueError, KeyError, TypeError) as error:
        print(f"{options.address} does not work: {error if isinstance(error, SmokeError) else repr(error)}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
