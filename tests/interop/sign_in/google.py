"""Google for the tests (google.mjs) as a process, the people who have accounts there, and how they sign in."""

import html
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final
from urllib.parse import urljoin, urlsplit

import httpx2

from tests.interop.commands import NODE
from tests.interop.sign_in.provider import Provider
from tests.javascript import installed
from tests.processes import ROOT, Process

PROGRAM: Final = ROOT / "tests" / "interop" / "sign_in" / "google.mjs"
CLIENT_ID: Final = "tickets.apps.googleusercontent.com"
CLIENT_SECRET: Final = "GOCSPX-only-for-the-tests"
MARY, JOHN, GINA, PAT, UNA = (f"10000000000000000000{number}" for number in range(5))
"""Subjects of people."""
PEOPLE: Final = MappingProxyType({
    MARY: {"email": "mary@acme.example", "email_verified": True, "hd": "acme.example", "name": "Mary Major"},
    JOHN: {"email": "john@acme.example", "email_verified": True, "hd": "acme.example", "name": "John Roe"},
    GINA: {"email": "gina@globex.example", "email_verified": True, "hd": "globex.example", "name": "Gina 山田"},
    # A personal account: no organisation manages it, whatever its address looks like.
    PAT: {"email": "pat@acme.example", "email_verified": True, "name": "Pat Doe"},
    UNA: {"email": "una@acme.example", "email_verified": False, "name": "Una Verified"},
})  # fmt: skip
"""What the ID token of each person says."""
MOST_PAGES: Final = 12


def email_of(subject: str) -> str:
    """Return the address that a person types at the provider."""
    return str(PEOPLE[subject]["email"])


@contextmanager
def google(redirect_uris: Sequence[str], *, port: int = 0) -> Iterator[Provider]:
    """Start Google. Its issuer is on `localhost`, as another site than 127.0.0.1 is to a browser.

    Args:
        redirect_uris: the callback addresses that are entered there, byte for byte.
        port: where it listens; 0 for any free one.
    """
    told = {
        "nodeModules": installed().as_posix(),
        "port": port,
        "client": {"id": CLIENT_ID, "secret": CLIENT_SECRET, "redirectUris": list(redirect_uris)},
        "people": dict(PEOPLE),
    }
    with Process([str(PROGRAM), json.dumps(told)], executable=NODE) as process:
        address = process.wait_until_ready()
        yield Provider(address.replace("127.0.0.1", "localhost"), process)


def sign_in(browser: httpx2.Client, url: str, email: str | None) -> str:
    """Sign in at `url`, an address of Google; return the address that it sends the browser back to.

    Args:
        browser: keeps the cookies; who is signed in there already sees no page.
        url: where a server or a page sends the browser.
        email: the account; None cancels.
    """
    typed = {"cancel": "yes"} if email is None else {"email": email}
    response = browser.get(url)
    for _ in range(MOST_PAGES):
        if response.is_redirect:
            address = urljoin(str(response.url), response.headers["location"])
            if urlsplit(address).netloc != urlsplit(url).netloc:
                return address
            response = browser.get(address)
        else:  # the form for the address, or the one that ends the session of another account
            page = html.unescape(response.raise_for_status().text)
            action = re.search(r'<form [^>]*action="([^"]+)"', page)
            hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
            response = browser.post(action[1] if action else str(response.url), data=hidden or typed)
    raise AssertionError(f"the pages never end: {response.url}")
