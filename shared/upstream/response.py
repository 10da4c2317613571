"""One response of the ticket API, and what to say of it in sentences and log lines. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from shared.trace_context import path_of_ids
from shared.upstream.body_text import UnreadableBodyError, is_page, read_json
from shared.upstream.retry_after import retry_after_s

_MAX_PATH: Final = 200
CHECK_ADDRESS: Final = "the operator must check MCP_API_BASE_URL, or the address that is set for your organisation"


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """One response. `resource` is the path below the address of the API, `path` is as it was sent."""

    method: str
    resource: str
    host: str
    path: str
    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    cut_off: UnreadableBodyError | None = None
    """Why the body could not be received."""

    @property
    def is_read(self) -> bool:
        """Whether the request could not change anything."""
        return self.method == "GET"

    @property
    def has_body(self) -> bool:
        """Whether anything was sent, even if it could not be received."""
        return bool(self.cut_off or self.body.strip())

    @property
    def is_page(self) -> bool:
        """Whether the body is a page for people."""
        return is_page(self.body, self.headers.get("content-type", ""))

    @property
    def asked(self) -> str:
        """Status and request, for a sentence: with the path, so that a wrong prefix shows, but without the host."""
        return f"HTTP {self.status}, {self.method} {self.path[:_MAX_PATH]}"

    @property
    def facts(self) -> dict[str, Any]:
        """The fields of a log line."""
        return {
            "method": self.method,
            "status": self.status,
            "host": self.host,
            "path": path_of_ids(self.path)[:_MAX_PATH],
        }

    @property
    def wait_s(self) -> float | None:
        """How long to wait before the next request, in seconds, if the response says so."""
        return retry_after_s(self.headers.get("retry-after", ""), now=datetime.now(UTC))

    def json(self) -> Any:
        """Return the JSON of the body. Raises: UnreadableBodyError."""
        if self.cut_off is not None:
            raise self.cut_off
        return read_json(self.body, self.headers.get("content-type", ""))
