"""Keys for the ticket API in this process: each names its tenant, and only this process can create one."""

import pytest

from shared.embedded.tenant_keys import TenantKeys
from tests.kills import kills


@pytest.mark.parametrize("tenant", ["default", "acme", "acme.example", "a", "0"])
def test_a_key_names_its_tenant(tenant: str) -> None:
    keys = TenantKeys()

    assert keys.tenant_of(keys.key_of(tenant)) == tenant


@kills("shared/embedded/tenant_keys.py", "secrets.token_bytes(32)", 'len(secrets.token_bytes(32)) * b"0"')
def test_no_other_key_names_a_tenant() -> None:
    keys, others = TenantKeys(), TenantKeys()
    key = keys.key_of("acme")
    forged = [
        "",
        ".",
        "acme",
        "acme.",
        others.key_of("acme"),
        f"default.{key.split('.')[1]}",
        key[:-1],
        key + "0",
        "é.é",
    ]

    assert [keys.tenant_of(one) for one in forged] == [None] * len(forged)
