"""The parts that the pages are made of. Everything that comes from others is bounded and escaped here."""

import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import Final

from web.sign_in.response import STYLE
from web.sign_in.words import Words

LONGEST_NAME: Final = 80
LONGEST_HOST: Final = 270
"""A host name has at most 253 characters, then come a colon and the port."""
LONGEST_TEXT: Final = 600
"""Of commands, ids and details of errors."""
LOCAL_HOST: Final = re.compile(r"(127\.0\.0\.1|\[::1\]|localhost)(:\d+)?|[^/]+://")
ADDRESS: Final = re.compile(r"(?!(?:javascript|data|vbscript|blob|file|about):)[a-z][a-z0-9+.-]*:[!-~]+", re.IGNORECASE)


def name(text: str) -> str:
    """Return a name as HTML: isolated, so that its direction of writing changes nothing around it."""
    return f"<bdi>{escape(_bounded(text, LONGEST_NAME))}</bdi>"


def plain(text: str) -> str:
    """Return an identifier, an address or a command as HTML."""
    return f"<bdi>{escape(_bounded(text, LONGEST_TEXT))}</bdi>"


def host(text: str) -> str:
    """Return a host as HTML. Of one that is too long the end stays, since the end says who owns it."""
    shown = text if len(text) <= LONGEST_HOST else f"…{text[-LONGEST_HOST:]}"
    return f"<bdi>{escape(_encodable(shown))}</bdi>"


def is_local(redirect_host: str) -> bool:
    """Return whether a redirect to this host or custom scheme stays on the person's device."""
    return LOCAL_HOST.fullmatch(redirect_host) is not None


def link(address: str, text: str) -> str:
    """Return a link that looks like a button."""
    return f'<p class="actions"><a class="button" href="{escape(address)}">{text}</a></p>'


def lines(rows: Iterable[tuple[str, str]]) -> str:
    """Return labels, each with its value; both are HTML."""
    return f"<dl>{''.join(f'<div><dt>{label}</dt><dd>{value}</dd></div>' for label, value in rows)}</dl>\n"


def paragraphs(*texts: str, kind: str = "") -> str:
    """Return paragraphs, all of one class if `kind` is given."""
    given = f' class="{kind}"' if kind else ""
    return "".join(f"<p{given}>{text}</p>\n" for text in texts)


def items(texts: Iterable[str], *, tag: str = "ul") -> str:
    """Return a list of HTML texts."""
    return f"<{tag}>{''.join(f'<li>{text}</li>' for text in texts)}</{tag}>\n"


def form(action: str, hidden: Mapping[str, str], body: str, *, allow: str, cancel: str) -> str:
    """Return a form with two buttons, which post `decision`: `allow` or `deny`."""
    fields = "".join(
        f'<input type="hidden" name="{escape(key)}" value="{escape(value)}">\n' for key, value in hidden.items()
    )
    return (
        f'<form method="post" action="{escape(action)}">\n{fields}{body}<p class="actions">'
        f'<button name="decision" value="allow">{allow}</button>\n'
        f'<button name="decision" value="deny" class="second" formnovalidate>{cancel}</button></p>\n</form>\n'
    )


def document(say: Words, title: str, heading: str, body: str, *, goes_to: str | None = None) -> str:
    """Return the whole document; with `goes_to`, it goes on to that address at once.

    Raises:
        ValueError: `goes_to` is no absolute ASCII address, or would run a script.
    """
    if goes_to is not None and ADDRESS.fullmatch(goes_to) is None:
        raise ValueError("A page can only go on to an absolute address of a site or a program.")
    refresh = f'<meta http-equiv="refresh" content="0;url={escape(goes_to)}">\n' if goes_to else ""
    return (
        f'<!doctype html>\n<html lang="{say.language}">\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n{refresh}'
        f"<title>{title} – {say('common.server')}</title>\n<style>{STYLE}</style>\n"
        f"<header>{say('common.server')}</header>\n<main>\n<h1>{heading}</h1>\n{body}</main>\n</html>\n"
    )


def _bounded(text: str, longest: int) -> str:
    return _encodable(text if len(text) <= longest else f"{text[: longest - 1]}…")


def _encodable(text: str) -> str:
    """Return `text` without halves of surrogate pairs, which JSON can carry and a page cannot."""
    return text.encode(errors="replace").decode()
