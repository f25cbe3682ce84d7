"""Client addresses in one form, and the trusted proxies: what their headers say of a request is believed."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.conf import settings

Address = IPv4Address | IPv6Address


def address_of(text: str) -> Address | None:
    """The address, with `::ffff:192.0.2.7` as IPv4; None if `text` is not an address."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def is_proxy(address: Address | None) -> bool:
    """Whether the address belongs to `TRUSTED_PROXIES`."""
    return address is not None and any(
        address in network for network in _networks(tuple(settings.TRUSTED_PROXIES))
    )


@lru_cache(maxsize=4)
def _networks(proxies: Sequence[str]) -> list[IPv4Network | IPv6Network]:
    return [_network(ip_network(proxy, strict=False)) for proxy in proxies]


def _network(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    mapped = (
        isinstance(network, IPv6Network) and network.prefixlen >= 96 and network.network_address.ipv4_mapped
    )
    return IPv4Network((mapped, network.prefixlen - 96)) if mapped else network
