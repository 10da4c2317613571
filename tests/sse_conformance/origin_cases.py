"""Servers that check `Origin`, or nearly: the fault of each, the scenario that finds it, and a part of its reason."""

import re
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import Scope

from tests.sse_conformance.broken_server import Fault
from tests.sse_conformance.faults import Case, header

LONGER: Final = "a-longer-name-is-foreign"
SAME_END: Final = "a-name-with-the-same-end-is-foreign"
OPAQUE: Final = "an-opaque-origin-is-foreign"
REBOUND: Final = "a-rebound-name-is-foreign"
WHOLE: Final = "an-origin-is-compared-as-a-whole"
ATTACKER: Final = "https://attacker.example"
SEVERAL: Final = "several-origins-are-refused"


def accepting(check: Callable[[str, str], bool], methods: Sequence[str] = ("GET", "POST")) -> Fault:
    """Accept one `Origin` for which `check(origin, host)` is true, in requests with one of these methods."""

    async def before(scope: Scope) -> None:
        headers = MutableHeaders(scope=scope)
        origins = headers.getlist("origin")
        if len(origins) != 1 or scope["method"] not in methods:
            return
        if check(origins[0], headers["host"]):
            del headers["origin"]
            headers["host"] = "127.0.0.1"

    return Fault(before=before)


def reading_line(number: int) -> Fault:
    """Read only one of several `Origin` lines."""

    async def before(scope: Scope) -> None:
        headers = MutableHeaders(scope=scope)
        if lines := headers.getlist("origin"):
            headers["origin"] = lines[number]

    return Fault(before=before)


def host_of(origin: str) -> str:
    return urlsplit(origin).hostname or ""


# fmt: off
ORIGIN_CASES: Final = MappingProxyType({
    "any-Origin-opens-a-stream": Case("origin-is-validated-on-get", "foreign Origin",
        header("GET", "origin", None)),
    "any-Origin-sends-messages": Case("origin-is-validated-on-post", "foreign Origin",
        header("POST", "origin", None)),
    "an-Origin-may-contain-the-host": Case(LONGER, "127.0.0.1.attacker.example",
        accepting(lambda origin, host: host.partition(":")[0] in origin)),
    "an-Origin-may-contain-host-and-port": Case(LONGER, "by substring",
        accepting(lambda origin, host: host in origin)),
    "an-Origin-may-contain-the-whole-origin": Case(LONGER, "by substring",
        accepting(lambda origin, host: f"http://{host}" in origin)),
    "an-Origin-may-contain-localhost": Case(LONGER, "localhost.attacker.example",
        accepting(lambda origin, _: "localhost" in origin)),
    "an-Origin-may-begin-like-the-host": Case(LONGER, "prefix",
        accepting(lambda origin, _: origin.startswith("http://127.0.0.1"))),
    "an-Origin-may-match-a-pattern": Case(LONGER, "127x0x0x1",
        accepting(lambda origin, _: re.fullmatch(r"http://127.0.0.1(:\d+)?", origin) is not None)),
    "messages-may-contain-the-host": Case(LONGER, "A POST with the Origin",
        accepting(lambda origin, host: host.partition(":")[0] in origin, ["POST"])),
    "an-Origin-may-end-like-the-host": Case(SAME_END, "attacker127.0.0.1",
        accepting(lambda origin, host: origin.endswith(host))),
    "an-Origin-may-end-like-the-name": Case(SAME_END, "by suffix",
        accepting(lambda origin, _: host_of(origin).endswith("127.0.0.1"))),
    "an-Origin-may-end-like-localhost": Case(SAME_END, "attackerlocalhost",
        accepting(lambda origin, _: origin.endswith("localhost"))),
    "an-Origin-may-end-like-the-whole-origin": Case(SAME_END, "attacker.example/http://",
        accepting(lambda origin, host: origin.endswith(f"http://{host}"))),
    "messages-may-end-like-the-host": Case(SAME_END, "A POST with the Origin",
        accepting(lambda origin, host: origin.endswith(host), ["POST"])),
    "Origin-null-is-accepted": Case(OPAQUE, "A GET with the Origin null",
        accepting(lambda origin, _: origin == "null")),
    "Origin-null-sends-messages": Case(OPAQUE, "A POST with the Origin null",
        accepting(lambda origin, _: origin == "null", ["POST"])),
    "an-Origin-without-a-host-is-accepted": Case(OPAQUE, "Origin null",
        accepting(lambda origin, _: not host_of(origin))),
    "files-are-accepted": Case(OPAQUE, "Origin file://",
        accepting(lambda origin, _: origin.startswith("file:"))),
    "extensions-are-accepted": Case(OPAQUE, "Origin chrome-extension://",
        accepting(lambda origin, _: "extension" in origin)),
    "an-Origin-may-be-the-Host": Case(REBOUND, "rebound",
        accepting(lambda origin, host: origin == f"http://{host}")),
    "an-Origin-may-be-the-Host-of-messages": Case(REBOUND, "A POST",
        accepting(lambda origin, host: urlsplit(origin).netloc == host, ["POST"])),
    "any-scheme-is-accepted": Case(WHOLE, "Origin https://127.0.0.1",
        accepting(lambda origin, host: urlsplit(origin).netloc == host)),
    "a-dot-at-the-end-is-dropped": Case(WHOLE, "127.0.0.1.:",
        accepting(lambda origin, host: origin.replace(".:", ":") == f"http://{host}")),
    "userinfo-is-dropped": Case(WHOLE, "attacker@127.0.0.1",
        accepting(lambda origin, host: origin.startswith("http:") and origin.endswith(f"@{host}"))),
    "what-follows-the-port-is-dropped": Case(WHOLE, "@attacker.example",
        accepting(lambda origin, host: origin.startswith(f"http://{host}"))),
    "an-Origin-needs-no-scheme": Case(WHOLE, "Origin 127.0.0.1",
        accepting(lambda origin, host: origin == host)),
    "the-first-Origin-decides": Case(SEVERAL, "and Origin https://attacker.example",
        reading_line(0)),
    "the-last-Origin-decides": Case(SEVERAL, "Origin https://attacker.example and",
        reading_line(-1)),
    "the-last-in-a-list-decides": Case(SEVERAL, "https://attacker.example, http://",
        accepting(lambda origin, host: origin.rpartition(", ")[2] == f"http://{host}")),
    "the-last-between-spaces-decides": Case(SEVERAL, "https://attacker.example http://",
        accepting(lambda origin, host: origin.split(" ") == [ATTACKER, f"http://{host}"])),
})
# fmt: on
