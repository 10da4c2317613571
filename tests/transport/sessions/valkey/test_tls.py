"""The way to Valkey through TLS, as managed servers want it: a certificate that is not known is not accepted."""

import ssl
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import pytest

from tests.certificates import certify
from tests.transport.relay import relay
from tests.transport.serving import until
from transport.sessions.broker import BrokerUnavailableError
from transport.sessions.valkey.client import Script, ValkeyClient

pytestmark = pytest.mark.usefixtures("patience")
ECHO: Final = Script("return ARGV[1]")


@pytest.mark.parametrize("is_trusted", [True, False], ids=["known", "unknown"])
async def test_tls_is_spoken_with_a_server_whose_certificate_is_known_and_no_other(
    broker_url: str, tmp_path: Path, is_trusted: bool
) -> None:
    async def came_up() -> None: ...

    certificate = certify(tmp_path)
    options = "?" + urlencode({"ssl_ca_certs": str(certificate)}) if is_trusted else ""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    async with relay(broker_url, tls) as relaying:
        url = f"rediss://127.0.0.1:{relaying.port}/0{options}"
        client = ValkeyClient(url, channels=["news"], heard=print, came_up=came_up, wait_s=30)
        async with client.run():
            if is_trusted:
                await until(lambda: client.is_up)
                assert await client.call(ECHO, "x" * 1_000_000) == b"x" * 1_000_000
            else:
                with pytest.raises(BrokerUnavailableError):
                    await client.call(ECHO, 1, wait_s=0.3)
                assert not client.is_up
