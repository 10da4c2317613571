"""Response headers of every page: nothing is fetched, run or framed. Source: W3C Content Security Policy 3."""

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from types import MappingProxyType


def strict_headers(style: str, *, form_action: str, referrer_policy: str, vary: str) -> Mapping[str, str]:
    """Return the headers of a page whose only style sheet is the inline `style`.

    Args:
        style: exactly the text inside `<style>`.
        form_action: where its forms may be sent: `'none'` or `'self'`.
        referrer_policy: what its links and forms reveal of its address.
        vary: the request headers that change it.
    """
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; "
        f"base-uri 'none'; form-action {form_action}; frame-ancestors 'none'"
    )
    return MappingProxyType({
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "referrer-policy": referrer_policy,
        "cache-control": "no-store",
        "vary": vary,
    })  # fmt: skip
