"""The way to Valkey through TLS, as managed servers want it: a certificate that is not known is not accepted."""

import datetime as dt
import ssl
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.transport.relay import relay
from tests.transport.serving import until
from transport.sessions.broker import BrokerUnavailableError
from transport.sessions.valkey.client import Script, ValkeyClient

ECHO: Final = Script("return ARGV[1]")


def certify(folder: Path) -> Path:
    """Write a certificate for 127.0.0.1 that signed itself, and its key, into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "valkey")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    secret = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, *secret) + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return file


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
        client = ValkeyClient(url, channels=["news"], heard=print, came_up=came_up)
        async with client.run():
            if is_trusted:
                await until(lambda: client.is_up)
                assert await client.call(ECHO, "x" * 1_000_000) == b"x" * 1_000_000
            else:
                with pytest.raises(BrokerUnavailableError):
                    await client.call(ECHO, 1, wait_s=0.3)
                assert not client.is_up
