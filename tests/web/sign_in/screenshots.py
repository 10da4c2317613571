"""Pictures of every page of the sign-in, to look at: `python -m tests.web.sign_in.screenshots FOLDER [NAME…]`."""

import asyncio
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Final

from tests.transport.serving import serve
from tests.web.chromium import chromium
from tests.web.sign_in.pages import PAGES
from tests.web.sign_in.site import Site
from web.language import LANGUAGES

WIDTHS: Final = (390, 1280)
"""Of a phone and of a screen, in CSS pixels."""


async def take(names: Collection[str]) -> dict[str, bytes]:
    """Return the pictures by file name, each in both languages, both widths, light and dark."""
    pictures: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as profile:
        async with serve(Site(stays=True).app) as url, chromium(Path(profile)) as browser:
            for language in LANGUAGES:
                for width in WIDTHS:
                    tab = await browser.open(language=language, width=width)
                    for name in names:
                        await tab.go(f"{url}/{name}")
                        for scheme in ("light", "dark"):
                            await tab.prefer(scheme)
                            pictures[f"{name}-{language}-{width}-{scheme}.png"] = await tab.screenshot()
    return pictures


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    for file, picture in asyncio.run(take(sys.argv[2:] or tuple(PAGES))).items():
        (folder / file).write_bytes(picture)
