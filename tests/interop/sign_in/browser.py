"""A person at a browser, who signs in at the provider of the tests and consents: its pages are forms without scripts.

As a program (`python -m tests.interop.sign_in.browser FILE URL`) it stands for the browser that clients open: it goes
on to the client that the provider sends it to.
"""

import html
import json
import re
import socket
import stat
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2

from tests.processes import ROOT

MOST_PAGES: Final = 12
LISTENING_S: Final = 10.0
"""How long a client may take until it listens for the person's return: mcp-remote opens the browser first."""


@dataclass
class Person:
    """A person with an account at the provider, whose browser is new at each sign-in."""

    subject: str
    """As the provider calls the person."""
    consents: list[Sequence[str]]
    """The scopes that the person allows, a list for each sign-in; there must be no further one."""

    def sign_in(self, url: str) -> str:
        """Sign in and consent at `url`; return the address of the client that the provider sends the browser to."""
        forms = {"subject": self.subject, "scope": self.consents.pop(0)}
        with httpx2.Client() as http:
            response = http.get(url)
            for _ in range(MOST_PAGES):
                if response.is_redirect:
                    address = urljoin(str(response.url), response.headers["location"])
                    if urlsplit(address).netloc != urlsplit(url).netloc:
                        return address
                    response = http.get(address)
                else:
                    fields = re.findall(r'<input [^>]*name="(\w+)"', html.unescape(response.raise_for_status().text))
                    response = http.post(response.url, data={name: forms[name] for name in fields})
        raise AssertionError(f"the pages never end: {response.url}")

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


def main(file: Path, url: str) -> None:
    """Be the browser."""
    wait_until_listening(url)
    person = Person.read(file)
    address = person.sign_in(url)
    person.write(file)
    httpx2.get(address).raise_for_status()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
