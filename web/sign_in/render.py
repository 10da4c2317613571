"""The pages of the sign-in as HTML. Pure: a language and a page in, a document out."""

from datetime import UTC
from html import escape
from typing import Final

from web.page import lines as client_lines
from web.sign_in import markup
from web.sign_in.markup import document, name
from web.sign_in.pages import ChoicePage, ConsentPage, ErrorPage, Fact, GoOnPage, InvitationPage, Page, Step
from web.sign_in.words import ERROR_KINDS, WORDS, Words

SITES: Final = ("http:", "https:")


def render(language: str, page: Page) -> str:
    """Return `page` as a complete HTML document in `language`, one of `web.language.LANGUAGES`."""
    say = WORDS[language]
    match page:
        case ConsentPage():
            return _consent(page, say)
        case ChoicePage():
            return _choice(page, say)
        case GoOnPage():
            return _go_on(page, say)
        case ErrorPage():
            return _error(page, say)
        case InvitationPage():
            return _invitation(page, say)


def _consent(page: ConsentPage, say: Words) -> str:
    client = name(page.client_name)
    is_local = markup.is_local(page.redirect_host)
    rows = [(say("common.app"), client)]
    if page.client_id_host:
        rows.append((say("common.described_at"), markup.host(page.client_id_host)))
    rows.append(_goes_to(page.redirect_host, say))
    warnings = []
    if is_local:
        warnings.append(say("consent.local", client=client))
    if page.name_is_unchecked:
        warnings.append(say("consent.unchecked_local" if is_local else "consent.unchecked", client=client))
    scopes = (say(say.known("scope", scope, otherwise="other"), scope=markup.plain(scope)) for scope in page.scopes)
    provider = name(page.provider_name)
    body = (
        markup.lines(rows)
        + markup.paragraphs(*warnings, kind="warning")
        + f"<h2>{say('consent.may')}</h2>\n{markup.items(scopes)}"
        + markup.paragraphs(say("consent.limit"), say("consent.message"))
        + markup.form(
            page.action,
            {"request": page.sealed_request, "token": page.token},
            "",
            allow=say("consent.allow", provider=provider),
            cancel=say("common.cancel"),
        )
        + markup.paragraphs(say("consent.next", provider=provider), kind="small")
    )
    return document(say, say("consent.title"), say("consent.heading", client=client), body)


def _choice(page: ChoicePage, say: Words) -> str:
    client = name(page.client_name)
    person = markup.plain(page.person_address)
    rows = [
        (say("common.signed_in"), f"{name(page.person_name)} ({person})" if page.person_name else person),
        (say("common.app"), client),
        _goes_to(page.redirect_host, say),
    ]
    hidden = {"sealed": page.sealed, "token": page.token}
    fields = ""
    if len(page.organisations) == 1:
        rows.append((say("common.organisation"), name(page.organisations[0].name)))
        hidden["tenant"] = page.organisations[0].id
    else:
        fields = _options(page, say) + markup.paragraphs(say("choice.only_one", client=client), kind="small")
    about = ""
    if page.asks_again:
        about = markup.paragraphs(say("again.warning", client=client), kind="warning")
        about += markup.paragraphs(say("again.yes", client=client), say("again.no"))
    section = "again" if page.asks_again else "choice"
    form = markup.form(page.action, hidden, fields, allow=say("choice.continue"), cancel=say("common.cancel"))
    return document(say, say(f"{section}.title"), say(f"{section}.heading"), markup.lines(rows) + about + form)


def _options(page: ChoicePage, say: Words) -> str:
    options = "".join(
        f'<label><input type="radio" name="tenant" value="{escape(one.id)}" required>'
        f"<span>{name(one.name)} <small>{_role(one.role, say)}</small></span></label>\n"
        for one in page.organisations
    )
    return f"<fieldset><legend>{say('choice.legend')}</legend>\n{options}</fieldset>\n"


def _go_on(page: GoOnPage, say: Words) -> str:
    goes_to = name(page.name)
    if page.step is Step.SIGN_IN or page.address.lower().startswith(SITES):
        title, said = say("go_on.title"), markup.paragraphs(say(f"go_on.{page.step}", name=goes_to))
        said += markup.link(page.address, say(f"go_on.{page.step}_link", name=goes_to))
    else:
        title, said = say("done.title"), markup.paragraphs(say(f"done.{page.step}", name=goes_to))
        said += markup.link(page.address, say("done.link", name=goes_to))
        said += f"<h2>{say('done.help')}</h2>\n"
        said += markup.items(say(f"done.{one}", name=goes_to) for one in ("permit", "installed", "again"))
    return document(say, title, say(f"go_on.{page.step}_heading", name=goes_to), said, goes_to=page.address)


def _error(page: ErrorPage, say: Words) -> str:
    key = f"error.{page.kind if page.kind in ERROR_KINDS else 'general'}"
    rows = [(say(f"fact.{fact}"), _fact(fact, page.facts[fact], say)) for fact in Fact if fact in page.facts]
    body = markup.paragraphs(say(f"{key}.happened"), say(f"{key}.advice"))
    body += markup.lines(rows) if rows else ""
    if page.again is not None:
        body += markup.form(
            page.again.action,
            {"request": page.again.sealed_request, "token": page.again.token},
            "",
            allow=say("common.another_account"),
            cancel=say("common.cancel"),
        )
    if page.detail:
        body += f'<p class="small" lang="en">{markup.plain(page.detail)}</p>\n'
    body += markup.paragraphs(say("common.kind", kind=f"<code>{escape(page.kind)}</code>"), kind="small")
    return document(say, say("common.error"), say(f"{key}.heading"), body)


def _fact(fact: Fact, value: str, say: Words) -> str:
    if fact is Fact.RETRY_AFTER:
        return say("fact.seconds", seconds=markup.plain(value))
    return f"<code>{markup.plain(value)}</code>" if fact is Fact.COMMAND else markup.plain(value)


def _invitation(page: InvitationPage, say: Words) -> str:
    provider = name(page.provider_name)
    lines = client_lines(page.address_for_clients, has_key=False)
    ways = (
        ("Claude", f"<p>{say('invitation.claude')}</p>"),
        ("ChatGPT", f"<p>{say('invitation.chatgpt')}</p>"),
        ("Claude Code", f"<p>{say('invitation.claude_code')}</p><pre>{escape(lines['claude_code'])}</pre>"),
        ("VS Code (GitHub Copilot)", f"<p>{say('invitation.vs_code')}</p>"),
        ("Cursor", f"<p>{say('invitation.cursor')}</p><pre>{escape(lines['cursor'])}</pre>"),
        (say("invitation.other"), f"<p>{say('invitation.other_how')}</p>"),
    )
    details = "".join(f"<details><summary>{label}</summary>{how}</details>\n" for label, how in ways)
    steps = (
        f'<h2>{say("invitation.address")}</h2><p class="address"><code>{escape(page.address_for_clients)}</code></p>',
        f"<h2>{say('invitation.add')}</h2>{details}",
        f"<h2>{say('invitation.sign_in', provider=provider)}</h2><p>{say('invitation.sign_in_how')}</p>",
    )
    body = (
        markup.paragraphs(say("invitation.role", role=_role(page.role, say)))
        + markup.items(steps, tag="ol")
        + markup.paragraphs(say("invitation.expires", date=f"{page.expires_at.astimezone(UTC):%Y-%m-%d %H:%M}"))
    )
    return document(say, say("invitation.title"), say("invitation.heading", organisation=name(page.organisation)), body)


def _goes_to(redirect_host: str, say: Words) -> tuple[str, str]:
    device = f" <small>{say('common.this_device')}</small>" if markup.is_local(redirect_host) else ""
    return say("common.goes_to"), f'<strong class="host">{markup.host(redirect_host)}</strong>{device}'


def _role(role: str, say: Words) -> str:
    return say(say.known("role", role, otherwise="other"), role=escape(role))
