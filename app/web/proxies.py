"""Where a request comes from: what trusted proxies say of it, and nobody else.

Ours, since aiohttp-remotes (1.4 was read) has no variant for this: one never looks at the peer, so
that anybody may claim anything, the others want a fixed number of proxies and answer 400 otherwise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from aiohttp import web

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_SCHEMES = ("http", "https")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request comes from: an address, and the scheme; None where nobody knows."""

    address: str | None
    scheme: str | None


@dataclass(frozen=True, slots=True)
class _Hop:
    """What one proxy says of the request that it got: by whom it was sent, and how."""

    sender: Address | None
    scheme: str | None


class TrustedProxies:
    """The proxies in front of us; without networks every header is ignored."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = networks

    def origin(self, request: web.BaseRequest) -> Origin:
        """Find the nearest sender that is no trusted proxy of ours.

        Proxies that write one kind of header may let a caller's own of the other kind pass. So
        where both are there and differ, neither is believed, and the proxy itself is the origin.
        """
        peer = _address(request.remote or "")
        own = Origin(str(peer or "") or None, request.scheme)
        if peer is None or not self._trusts(peer):
            return own
        claims = {self._nearest(hops) for hops in (_x_forwarded(request), _forwarded(request))}
        told = claims - {None}
        return told.pop() or own if len(told) == 1 else own

    def _nearest(self, hops: Sequence[_Hop]) -> Origin | None:
        """Walk towards the caller, for as long as it is a trusted proxy that speaks."""
        origin = None
        for hop in reversed(hops):
            if hop.sender is None:
                break
            origin = Origin(str(hop.sender), hop.scheme)
            if not self._trusts(hop.sender):
                break
        return origin

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def _x_forwarded(request: web.BaseRequest) -> list[_Hop]:
    """Read X-Forwarded-For and -Proto; of the latter one value for all hops, or one for each."""
    senders = _listed(request, "X-Forwarded-For")
    schemes = _listed(request, "X-Forwarded-Proto")
    if len(schemes) != len(senders):
        schemes = [schemes[0] if len(schemes) == 1 else ""] * len(senders)
    return [
        _Hop(_address(sender), _scheme(scheme))
        for sender, scheme in zip(senders, schemes, strict=True)
    ]


def _forwarded(request: web.BaseRequest) -> list[_Hop]:
    """Read Forwarded (RFC 7239)."""
    return [
        _Hop(_address(element.get("for", "")), _scheme(element.get("proto", "")))
        for element in request.forwarded
    ]


def _listed(request: web.BaseRequest, name: str) -> list[str]:
    """Split all fields of that name into one list (RFC 9110 section 5.3)."""
    return [
        value.strip() for field in request.headers.getall(name, ()) for value in field.split(",")
    ]


def _scheme(text: str) -> str | None:
    return text.lower() if text.lower() in _SCHEMES else None


def _address(node: str) -> Address | None:
    """Read an address that may have a port, then with IPv6 in brackets (RFC 7239 section 6)."""
    if node.startswith("["):
        node = node[1:].partition("]")[0]
    elif node.count(":") == 1:
        node = node.partition(":")[0]
    if "%" in node:  # a zone (RFC 4007) means nothing here, and may hold any text
        return None
    try:
        address = ip_address(node)
    except ValueError:  # "unknown", "_hidden", or nonsense
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
