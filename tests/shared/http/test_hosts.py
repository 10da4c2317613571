"""Which hosts are this machine, and which can only be in a private network."""

import pytest

from shared.http.hosts import is_link_local, is_loopback, is_private, is_public_address

LOOPBACK = ["localhost", "LOCALHOST.", "api.localhost", "127.0.0.1", "127.9.9.9", "127.1", "0x7f.1", "2130706433"]
LOOPBACK += ["::1", "[::1]", "::ffff:127.0.0.1", "0.0.0.0"]  # noqa: S104 - a host to connect to
PRIVATE = ["10.0.0.3", "192.168.1.1", "172.16.0.1", "fd00::1", "[fd00::1]", "ticket-api", "db", "host.docker.internal"]
PRIVATE += ["metadata.google.internal", "printer.local", "api.ns.svc.cluster.local", "nas.home.arpa", "100.64.0.1"]
PUBLIC = ["tickets.example", "8.8.8.8", "2606:4700::1111", "localhost.example", "internal.example", "local.example"]


@pytest.mark.parametrize("host", LOOPBACK)
def test_this_machine_is_loopback_however_it_is_spelled(host: str) -> None:
    assert is_loopback(host)
    assert is_private(host)


@pytest.mark.parametrize("host", PRIVATE)
def test_a_private_host_is_no_loopback(host: str) -> None:
    assert is_private(host)
    assert not is_loopback(host)


@pytest.mark.parametrize("host", PUBLIC)
def test_other_hosts_are_public(host: str) -> None:
    assert not is_private(host)
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "0xa9fea9fe"])
def test_link_local_addresses_are_known(host: str) -> None:
    assert is_link_local(host)
    assert not is_link_local("10.0.0.3")


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public_address(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "0.0.0.0", "10.0.0.3", "100.100.100.200", "169.254.169.254", "192.0.0.192", "192.88.99.1"),  # noqa: S104
        *("168.63.129.16", "224.0.0.1", "240.0.0.1", "255.255.255.255", "0xa9fea9fe", "192.0.2.1", "a.example", ""),
        *("::", "::1", "::7f00:1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:a9fe:a9fe::"),
        *("2001:db8::1", "3fff::1", "5f00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1"),
    ],
)
def test_addresses_of_a_machine_a_network_or_a_cloud_are_not_public(address: str) -> None:
    assert not is_public_address(address)
