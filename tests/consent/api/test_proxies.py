"""Whose headers about a request are believed: addresses in one form, and the networks of our proxies."""

import pytest
from pytest_django import Settings

from consent.api.do_not_track import asks_not_to_be_tracked
from consent.api.proxies import address_of, is_proxy


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
        ({"dnt": "0"}, False),
        ({"dnt": "11"}, False),
        ({"dnt": ""}, False),
        ({}, False),
    ],
)
def test_who_asks_not_to_be_tracked(headers: dict[str, str], refuses: bool) -> None:
    assert asks_not_to_be_tracked(headers) is refuses
