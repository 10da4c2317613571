"""A page of the sign-in as a response, with headers that keep it unframed, uncached and without scripts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from starlette.responses import HTMLResponse

from web.page import STYLE as BASE_STYLE
from web.policy import strict_headers

STYLE: Final = BASE_STYLE + (Path(__file__).parent / "sign_in.css").read_text("utf-8")
HEADERS: Final = strict_headers(STYLE, form_action="'self'", referrer_policy="same-origin", vary="accept-language")
"""`same-origin`: with `no-referrer`, browsers send `Origin: null` with our own forms."""


def page_response(html: str, *, status: int = 200, headers: Mapping[str, str] | None = None) -> HTMLResponse:
    """Return the response with `html`, which `render` returned. `headers` are added, for example `retry-after`."""
    return HTMLResponse(html, status_code=status, headers={**HEADERS, **(headers or {})})
