"""Client addresses in one form, and the trusted proxies: what their headers say of a request is believed."""

import logging
import time
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.conf import settings

from consent.api.do_not_track import Headers

logger = logging.getLogger(__name__)

Address = IPv4Address | IPv6Address
TELL_EVERY = 3600.0  # seconds, for each fault and process
NOT_NAMED = (
    "a request came through a proxy that TRUSTED_PROXIES does not name: what it says of its clients is not "
    "believed, so they count as one client, with one limit on failed sign-ins and on waiting requests"
)
NO_CLIENT = (
    "a proxy in TRUSTED_PROXIES sends no X-Forwarded-For: its clients count as one client, with one limit on "
    "failed sign-ins and on waiting requests"
)
ONE_MORE = (
    "a request came through one proxy more than TRUSTED_PROXIES names, or through a proxy that passes on "
    "what clients write into X-Forwarded-For: let the outermost proxy set it to its peer's address"
)
ONLY_PROXIES = "every address of a request is in TRUSTED_PROXIES, its client's too: name the proxies only"
FAULTS = {"not_named": NOT_NAMED, "no_client": NO_CLIENT, "one_more": ONE_MORE, "only_proxies": ONLY_PROXIES}


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


def fault_of(remote: str, headers: Headers) -> str:
    """What a request shows to be wrong about TRUSTED_PROXIES or the proxies: a sentence of `FAULTS`, or ''.

    `remote` is the peer's address, `headers` have lower-case names.
    """
    peer, forwarded = address_of(remote), headers.get("x-forwarded-for", "")
    if not is_proxy(peer):
        # On the public side, anybody may write the header; a private peer that does is a proxy.
        return NOT_NAMED if forwarded and peer is not None and peer.is_private else ""
    if not forwarded:
        return NO_CLIENT if headers.get("x-forwarded-proto", "") else ""
    hops = [address_of(hop.strip()) for hop in forwarded.split(",")]
    while hops and is_proxy(hops[-1]):
        hops.pop()
    if not hops:
        return ONLY_PROXIES
    return ONE_MORE if len(hops) > 1 else ""


def tell_fault(remote: str, headers: Headers) -> str:
    """Log what `fault_of` finds, without addresses, once an hour. Returns its name in `FAULTS`, or ''."""
    fault = fault_of(remote, headers)
    if not fault:
        return ""
    now = time.monotonic()
    if now - _told.get(fault, float("-inf")) >= TELL_EVERY:
        _told[fault] = now
        logger.warning("%s", fault)
    return next(name for name, sentence in FAULTS.items() if sentence == fault)


_told: dict[str, float] = {}


@lru_cache(maxsize=4)
def _networks(proxies: Sequence[str]) -> list[IPv4Network | IPv6Network]:
    return [_network(ip_network(proxy, strict=False)) for proxy in proxies]


def _network(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    mapped = (
        isinstance(network, IPv6Network) and network.prefixlen >= 96 and network.network_address.ipv4_mapped
    )
    return IPv4Network((mapped, network.prefixlen - 96)) if mapped else network
