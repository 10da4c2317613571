"""The pages of the sign-in: consent, organisation, going on, error, invitation. They need no script."""

from web.sign_in.pages import (
    Again,
    ChoicePage,
    ConsentPage,
    ErrorPage,
    Fact,
    GoOnPage,
    InvitationPage,
    Organisation,
    Page,
    Step,
)
from web.sign_in.render import render
from web.sign_in.response import page_response
from web.sign_in.words import ERROR_KINDS

__all__ = [
    "ERROR_KINDS",
    "Again",
    "ChoicePage",
    "ConsentPage",
    "ErrorPage",
    "Fact",
    "GoOnPage",
    "InvitationPage",
    "Organisation",
    "Page",
    "Step",
    "page_response",
    "render",
]
