"""A person at a browser, who signs in at the provider of the tests and consents: all pages work without scripts.

As a program (`python -m tests.interop.sign_in.browser FILE URL`) it stands for the browser that clients open: it goes
on to the client that the provider sends it to.
"""

import json
import socket
import stat
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import parse_qs, urlsplit

import httpx2

from tests.interop.sign_in.forms import Form, Page
from tests.processes import ROOT

MOST_PAGES: Final = 12
LISTENING_S: Final = 10.0
"""How long a client may take until it listens for the person's return: mcp-remote opens the browser first."""


@dataclass
class Person:
    """A person with an account at the provider, whose browser is new at each sign-in."""

    account: str
    """What the person enters at the provider."""
    consents: list[Sequence[str]]
    """Scopes that the person allows where a page asks for each, a list for each sign-in; there is no further one."""

    def sign_in(self, url: str) -> str:
        """Sign in and consent at `url`; return the address of the client that the browser is sent back to."""
        scopes = self.consents.pop(0)
        (client,) = parse_qs(urlsplit(url).query)["redirect_uri"]
        with httpx2.Client() as http:
            response = http.get(url)
            for _ in range(MOST_PAGES):
                page = _page(response)
                if page.goes_on_to.startswith(client):
                    return page.goes_on_to
                if page.goes_on_to:
                    response = http.get(page.goes_on_to)
                else:
                    response = _sent(http, response, self._filled(page.forms[0], scopes))
        raise AssertionError(f"the pages never end: {response.url}")

    def visit(self, url: str) -> None:
        """Be the browser that a client opens at `url`: once it listens, sign in and go back to it."""
        wait_until_listening(url)
        httpx2.get(self.sign_in(url)).raise_for_status()

    def _filled(self, form: Form, scopes: Sequence[str]) -> Form:
        """Fill in a form: its first button, the given scopes, and the first of everything else that it offers."""
        for name, values in form.offered.items():
            allowed = [value for value in values if value in scopes]
            form.given[name] = allowed if name == "scope" else values[:1]
        form.given |= {name: [self.account] for name in form.asked}
        form.given |= {name: [value] for name, value in form.buttons[:1] if name}
        return form

    def write(self, file: Path) -> Path:
        """Write the person into a file, for the program."""
        file.write_text(json.dumps(asdict(self)), "utf-8")
        return file

    @classmethod
    def read(cls, file: Path) -> Self:
        """Return the person in a file."""
        return cls(**json.loads(file.read_text("utf-8")))


def program(person: Person, folder: Path) -> Path:
    """Write a program without arguments of its own that is the browser of a person, for the variable BROWSER."""
    file = person.write(folder / "person.json")
    script = folder / "browser"
    module = f"cd '{ROOT}' && exec '{sys.executable}' -m tests.interop.sign_in.browser '{file}' \"$1\""
    script.write_text(f"#!/bin/sh\n{module}\n", "utf-8")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return script


def wait_until_listening(url: str) -> None:
    """Wait until the client listens at the address that `url` asks the provider to send the browser back to."""
    (address,) = parse_qs(urlsplit(url).query)["redirect_uri"]
    deadline = time.monotonic() + LISTENING_S
    while True:
        try:
            socket.create_connection((urlsplit(address).hostname, urlsplit(address).port)).close()
        except OSError:
            assert time.monotonic() < deadline, f"no client listens at {address}"
            time.sleep(0.05)
        else:
            return


def _page(response: httpx2.Response) -> Page:
    """Return the page; a redirect counts as one that goes on by itself. Anything else than a page is a failure."""
    if response.is_redirect:
        return Page(f'<meta http-equiv="refresh" content="0;url={response.headers["location"]}">', str(response.url))
    page = Page(response.text, str(response.url))
    assert response.is_success, f"{response.url}: {response.status_code}\n{page.text}"
    assert page.goes_on_to or page.forms, f"{response.url} is the end: {page.text}"
    return page


def _sent(http: httpx2.Client, page: httpx2.Response, form: Form) -> httpx2.Response:
    """Send a form as browsers do, with the origin of its page."""
    return http.post(
        form.action, data=form.given, headers={"origin": f"{page.url.scheme}://{page.url.netloc.decode()}"}
    )


def main(file: Path, url: str) -> None:
    """Be the browser."""
    person = Person.read(file)
    person.visit(url)
    person.write(file)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
