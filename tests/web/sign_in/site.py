"""Serves the pages of the sign-in as the server does, and remembers what their forms post."""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.web.sign_in.pages import PAGES, go_on
from web.language import language_of
from web.sign_in import GoOnPage, Step, page_response, render


@dataclass
class Site:
    """Each page at `/NAME`; forms are answered by going on to `goes_to`."""

    goes_to: str = ""
    stays: bool = False
    """Whether pages that go on stay on screen, to be looked at."""
    by_redirect: bool = False
    """Whether forms are answered by a redirect, as they must not be."""
    posted: list[dict[str, str]] = field(default_factory=list)
    origins: list[str | None] = field(default_factory=list)

    @property
    def app(self) -> Starlette:
        """The application."""
        return Starlette(
            routes=[
                Route("/oauth/{form}", self._form, methods=["POST"]),
                Route("/elsewhere", self._elsewhere),
                Route("/{page}", self._page),
            ]
        )

    async def _page(self, request: Request) -> Response:
        html = render(language_of(request), PAGES[request.path_params["page"]])
        return page_response(re.sub(r'<meta http-equiv="refresh"[^>]*>', "", html) if self.stays else html)

    async def _form(self, request: Request) -> Response:
        self.posted.append(dict(parse_qsl((await request.body()).decode())))
        self.origins.append(request.headers.get("origin"))
        if self.by_redirect:
            return RedirectResponse(self.goes_to, status_code=303)
        page: GoOnPage = go_on(self.goes_to, Step.ALLOWED)
        return page_response(render(language_of(request), page))

    async def _elsewhere(self, request: Request) -> Response:
        return HTMLResponse(f"<title>elsewhere</title><p>{request.headers.get('referer', 'no referrer')}")
