"""The second half of a sign-in: the person comes back from the identity provider, and the client gets a code.

A known `state` says which client was allowed. If the browser is the one that allowed it, and the person belongs to one
organisation, that is all. Otherwise a second page asks: for the organisation, and for an agreement where this browser
cannot show that it began the sign-in, since then a stranger may have allowed the client, and have sent only the last
step to this person.
Sources: OpenID Connect Core 1.0, section 3.1.2.5; RFC 9700, sections 4.4 (mix-up) and 4.7 (CSRF); RFC 6819, section
4.4.1.7.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from auth.authorization_server.clients.redirects import redirect_host
from auth.authorization_server.identity_provider.id_token import SignedInPerson
from auth.authorization_server.identity_provider.provider import ProviderError
from auth.authorization_server.sign_in.asking import (
    REQUEST,
    SignInParts,
    check_limit,
    check_redirect,
    client_of,
    query_of,
)
from auth.authorization_server.sign_in.browser import (
    PageError,
    digest_of,
    field,
    form_token,
    is_form_token,
    new_secret,
    page_of,
)
from auth.authorization_server.sign_in.requests import (
    AuthorizationFault,
    AuthorizationRequest,
    AuthorizationRequestError,
    Parameters,
)
from auth.store.authorization.records import Admitted, Authorization
from auth.store.authorization.refusals import RefusalReason, SignInRefusedError
from auth.store.records import StoredIdentity
from shared.audit import AuditEvent
from shared.identity import SCOPES_OF, Role, Scope
from web.sign_in import Again, ChoicePage, ErrorPage, Fact, Organisation

CHOICE: Final = "choice of an organisation"
"""What a choice page carries."""
_TEMPORARY: Final = frozenset({"temporarily_unavailable", "server_error"})
_BY_THE_PERSON: Final = frozenset({"access_denied", "login_required", "interaction_required", "consent_required"})
_ERROR: Final = re.compile(r"[a-z_]{1,60}")


class SignInReturn:
    """`GET /oauth/callback/<provider>` and `POST /oauth/choice`.

    Args:
        parts: shared with the first half.
        tenants: those that the provider serves; none for all.
    """

    def __init__(self, parts: SignInParts, tenants: frozenset[str]) -> None:
        self._base = parts.base
        self._clients = parts.clients
        self._provider = parts.provider
        self._store = parts.store
        self._browsers = parts.browsers
        self._forms = parts.forms
        self._responses = parts.responses
        self._limits = parts.limits
        self._tenants = tenants

    async def callback(self, request: Request) -> Response:
        """Finish the sign-in that `state` names, once. Raises: PageError."""
        if request.path_params["provider"] != self._provider.name:
            raise PageError("provider_mismatch", status=404)
        said = _each_once(query_of(request))
        began = await self._store.sign_ins.take(said.get("state", ""))
        if began is None or began["provider"] != self._provider.name:
            raise PageError("sign_in_over")
        asked = AuthorizationRequest.from_json(began["request"])
        try:
            person = await self._person(said, began)
            admitted = await self._store.admission.admit(person, tenants=self._tenants)
            return await self._admitted(request, asked, person, admitted, began["browser"])
        except SignInRefusedError as error:
            return await self._not_admitted(request, asked, person, error, began["browser"])
        except ProviderError as error:
            return await self._responses.refuse(request, asked, error.oauth_error, str(error))
        except AuthorizationRequestError as error:
            return await self._responses.refuse(request, asked, error.fault, error.description)

    async def choice(self, request: Request) -> Response:
        """Give the client a code for the organisation that the person chose, or none. Raises: PageError."""
        form = await self._browsers.form(request)
        sealed = field(form, "sealed")
        chosen = self._forms.open(CHOICE, sealed)
        if not is_form_token(field(form, "token"), self._browsers.secret_of(request), sealed):
            raise PageError("other_page", status=403)
        asked = AuthorizationRequest.from_json(chosen["request"])
        check_limit(self._limits, request, asked.client_id)
        if field(form, "decision") == "deny":
            denied = AuthorizationFault.ACCESS_DENIED
            return await self._responses.refuse(
                request, asked, denied, "The person did not allow access.", after_form=True
            )
        tenant = field(form, "tenant")
        stored = await self._still_admitted(chosen["identity"])
        member = stored.memberships.get(tenant) if self._serves(tenant) else None
        if field(form, "decision") != "allow" or member is None:
            raise PageError("invalid_request", detail="Go back, and choose one of your organisations.")
        try:
            allowed = _authorization(asked, stored.owner, stored.id, tenant, member.role)
        except AuthorizationRequestError as error:
            return await self._responses.refuse(request, asked, error.fault, error.description, after_form=True)
        return await self._allow(request, asked, allowed, after_form=True)

    async def _still_admitted(self, identity: str) -> StoredIdentity:
        """Return who was asked. Raises: PageError: they lost their access since."""
        stored = await self._store.credentials.identity(identity)
        if stored is None or not stored.is_on:
            raise PageError(RefusalReason.DISABLED, status=403)
        if not any(map(self._serves, stored.memberships)):
            raise PageError(RefusalReason.NO_TENANT, status=403)
        return stored

    def _serves(self, tenant: str) -> bool:
        return not self._tenants or tenant in self._tenants

    async def _person(self, said: Mapping[str, str], began: Mapping[str, Any]) -> SignedInPerson:
        """Return who signed in. Raises: ProviderError, AuthorizationRequestError."""
        if not await self._provider.is_answer_of(said.get("iss")):
            raise AuthorizationRequestError(
                AuthorizationFault.SERVER_ERROR, "The response came from another identity provider than was asked."
            )
        label = self._provider.label
        if "error" in said:
            raise _refused_by(label, said["error"])
        if "code" not in said:
            raise AuthorizationRequestError(AuthorizationFault.SERVER_ERROR, f"{label} sent no code.")
        return await self._provider.person(code=said["code"], verifier=began["verifier"], nonce=began["nonce"])

    async def _admitted(
        self, request: Request, asked: AuthorizationRequest, person: SignedInPerson, who: Admitted, browser: str
    ) -> Response:
        """Give the client a code, or ask the person first. Raises: AuthorizationRequestError."""
        usable = {tenant: one for tenant, one in who.memberships.items() if _granted(asked, one.role)}
        if not usable:
            raise _nothing_permitted()
        secret = self._browsers.secret_of(request)
        is_same_browser = _is_same(browser, secret)
        if is_same_browser and len(who.memberships) == 1:
            tenant, one = next(iter(usable.items()))
            allowed = _authorization(asked, who.user, who.identity, tenant, one.role)
            return await self._allow(request, asked, allowed, after_form=False)
        sealed = self._forms.seal(CHOICE, {"request": asked.as_json(), "identity": who.identity})
        secret = secret or new_secret()
        page = ChoicePage(
            action=f"{self._base}/oauth/choice",
            sealed=sealed,
            token=form_token(secret, sealed),
            person_name=person.name or "",
            person_address=who.email,
            client_name=asked.client_name,
            redirect_host=redirect_host(asked.redirect_uri),
            organisations=tuple(
                Organisation(id=tenant, name=one.tenant_name, role=one.role) for tenant, one in usable.items()
            ),
            asks_again=not is_same_browser,
        )
        response = page_of(request, page)
        self._browsers.remember(response, secret)
        return response

    async def _allow(
        self, request: Request, asked: AuthorizationRequest, allowed: Authorization, *, after_form: bool
    ) -> Response:
        """Give the client a code. Raises: PageError: the client was removed since it asked."""
        check_redirect(await client_of(self._clients, asked.client_id), asked.redirect_uri)
        await self._clients.keep(asked.client_id)
        code = await self._store.codes.issue(allowed, code_challenge=asked.code_challenge)
        granted = AuditEvent(
            action="sign_in",
            outcome="ok",
            tenant=allowed.tenant,
            actor=allowed.user,
            credential=allowed.identity,
            object=asked.client_id,
            detail=" ".join(sorted(allowed.scopes)),
        )
        return await self._responses.allow(request, asked, code, granted, after_form=after_form)

    async def _not_admitted(
        self,
        request: Request,
        asked: AuthorizationRequest,
        person: SignedInPerson,
        error: SignInRefusedError,
        browser: str,
    ) -> Response:
        """Say who signed in and what an administrator can do, and offer to use another account.

        To use another account is not to allow the client: who did not do that in this browser is asked afterwards.
        """
        who = f"{error.subject} of {error.issuer}"
        await self._responses.note(error.reason, client=asked.client_id, identity=error.identity, detail=who)
        secret = self._browsers.secret_of(request)
        again = {"request": replace(asked, select_account=True).as_json(), "asks_again": not _is_same(browser, secret)}
        sealed = self._forms.seal(REQUEST, again)
        secret = secret or new_secret()
        page = ErrorPage(
            kind=error.reason,
            facts={Fact.PERSON: person.email or person.name or person.subject, Fact.COMMAND: error.command},
            again=Again(action=f"{self._base}/oauth/consent", sealed_request=sealed, token=form_token(secret, sealed)),
        )
        response = page_of(request, page, status=403)
        self._browsers.remember(response, secret)
        return response


def _is_same(browser: str, secret: str | None) -> bool:
    """Return whether the browser with the cookie `secret` is the one that allowed the client, kept as a digest."""
    return secret is not None and digest_of(secret) == browser


def _refused_by(label: str, error: str) -> AuthorizationRequestError:
    """Return what the client learns of an error of the provider, and the operator by the audit trail."""
    if error in _BY_THE_PERSON:
        return AuthorizationRequestError(AuthorizationFault.ACCESS_DENIED, f"The person did not sign in at {label}.")
    if error in _TEMPORARY:
        fault = AuthorizationFault.TEMPORARILY_UNAVAILABLE
        return AuthorizationRequestError(fault, f"{label} is not available. Try again.")
    word = error if _ERROR.fullmatch(error) else "an error that cannot be read"
    return AuthorizationRequestError(AuthorizationFault.SERVER_ERROR, f"{label} refused the sign-in: {word}.")


def _each_once(parameters: Parameters) -> Mapping[str, str]:
    """Return the parameters of a response of the provider. Raises: PageError: one of them is there twice."""
    if any(len(values) > 1 for values in parameters.values()):
        raise PageError("invalid_request", detail="A parameter is there more than once.")
    return {name: values[0] for name, values in parameters.items()}


def _granted(asked: AuthorizationRequest, role: Role) -> frozenset[Scope]:
    return SCOPES_OF[role] & frozenset(asked.scopes)


def _authorization(asked: AuthorizationRequest, user: str, identity: str, tenant: str, role: Role) -> Authorization:
    """Return what a member of a tenant allows. Raises: AuthorizationRequestError: nothing of what was asked for."""
    if not (scopes := _granted(asked, role)):
        raise _nothing_permitted()
    return Authorization(
        user=user,
        identity=identity,
        tenant=tenant,
        client_id=asked.client_id,
        redirect_uri=asked.redirect_uri,
        resource=asked.resource,
        scopes=scopes,
    )


def _nothing_permitted() -> AuthorizationRequestError:
    return AuthorizationRequestError(
        AuthorizationFault.ACCESS_DENIED, "The role of the person permits none of the scopes that were asked for."
    )
