"""The pages of the sign-in as HTML. Pure: a language and a page in, text out."""

from web.sign_in.pages import Page


def render(language: str, page: Page) -> str:
    """Return `page` as a complete HTML document in `language`, one of `web.language.LANGUAGES`."""
    return f"<!doctype html><html lang={language}><title>{type(page).__name__}</title></html>"
