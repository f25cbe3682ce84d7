"""Whose headers about a request are believed: addresses in one form, and the networks of our proxies."""

import pytest
from pytest_django import Settings

from consent.api import proxies
from consent.api.do_not_track import asks_not_to_be_tracked
from consent.api.proxies import address_of, fault_of, is_proxy, tell_fault


@pytest.mark.parametrize(
    ("proxies", "address", "believed"),
    [
        (["10.0.0.0/8"], "10.255.255.255", True),
        (["10.0.0.0/8"], "11.0.0.0", False),
        (["10.0.0.0/8"], "::ffff:10.1.2.3", True),
        (["::ffff:10.0.0.0/104"], "10.1.2.3", True),
        (["::ffff:0.0.0.0/96"], "192.0.2.7", True),
        (["10.1.2.3/8"], "10.9.9.9", True),
        (["192.0.2.1", "2001:db8::/32"], "2001:db8::5", True),
        (["2001:db8::/32"], "2001:db9::5", False),
        ([], "10.0.0.1", False),
        (["0.0.0.0/0"], "unix:", False),
    ],
)
def test_who_is_a_proxy(settings: Settings, proxies: list[str], address: str, believed: bool) -> None:
    settings.TRUSTED_PROXIES = proxies
    assert is_proxy(address_of(address)) is believed


def test_an_address_has_one_form() -> None:
    assert str(address_of("::ffff:192.0.2.7")) == "192.0.2.7"
    assert str(address_of("2001:DB8:0::1")) == "2001:db8::1"
    assert address_of("jane") is None


@pytest.mark.parametrize(
    ("headers", "refuses"),
    [
        ({"dnt": "1"}, True),
        ({"sec-gpc": " 1 "}, True),
        ({"dnt": "0", "sec-gpc": "1"}, True),
        ({"dnt": "0, 1"}, True),
        ({"dnt": "1,0"}, True),
        ({"sec-gpc": "0;1"}, True),
        ({"dnt": "10, 01"}, False),
        ({"dnt": "0"}, False),
        ({"dnt": "11"}, False),
        ({"dnt": ""}, False),
        ({}, False),
    ],
)
def test_who_asks_not_to_be_tracked(headers: dict[str, str], refuses: bool) -> None:
    assert asks_not_to_be_tracked(headers) is refuses


@pytest.mark.parametrize(
    ("remote", "forwarded", "fault"),
    [
        ("10.0.0.5", "1.1.1.1", ""),
        ("10.0.0.5", "1.1.1.1, 10.0.0.6", ""),
        (
            "1.1.1.1",
            "8.8.8.8",
            "",
        ),  # a visitor may write it: that says nothing of proxies
        ("192.168.1.1", "", ""),
        ("192.168.1.1", "1.1.1.1", proxies.NOT_NAMED),
        ("127.0.0.1", "1.1.1.1", proxies.NOT_NAMED),
        ("10.0.0.5", "", proxies.NO_CLIENT),
        ("10.0.0.5", "8.8.8.8, 1.1.1.1", proxies.ONE_MORE),
        ("10.0.0.5", "1.1.1.1, 192.168.1.1", proxies.ONE_MORE),
        ("10.0.0.5", "10.0.0.7, 10.0.0.6", proxies.ONLY_PROXIES),
    ],
)
def test_a_wrong_count_of_proxies_shows_in_a_request(
    remote: str, forwarded: str, fault: str, settings: Settings
) -> None:
    settings.TRUSTED_PROXIES = ["10.0.0.0/24"]
    headers = {"x-forwarded-proto": "https"} | ({"x-forwarded-for": forwarded} if forwarded else {})
    assert fault_of(remote, headers) == fault


def test_a_probe_that_a_proxys_machine_sends_itself_is_no_fault(settings: Settings) -> None:
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    assert fault_of("127.0.0.1", {}) == ""


def test_a_fault_is_told_once_an_hour_and_without_addresses(
    settings: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.TRUSTED_PROXIES = ["10.0.0.0/24"]
    monkeypatch.setattr(proxies, "_told", {})
    for _ in range(3):
        assert tell_fault("192.168.1.1", {"x-forwarded-for": "198.51.100.1"}) == "not_named"
    assert tell_fault("192.168.1.1", {}) == ""
    [record] = caplog.records
    assert "TRUSTED_PROXIES does not name" in record.getMessage()
    assert not any(part in record.getMessage() for part in ("192.168", "198.51", "10.0.0"))
    monkeypatch.setattr(proxies, "TELL_EVERY", 0.0)
    tell_fault("192.168.1.1", {"x-forwarded-for": "198.51.100.1"})
    assert len(caplog.records) == 2
