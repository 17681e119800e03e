"""Checks of addresses: web addresses, origins, hosts, networks and the store's.

Each raises a `ValueError` that says what is allowed and never repeats the address: it may hold a
password, even where none is allowed.
"""

import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

MEMORY = "memory://"
"""The address of the store inside the process."""

_MAX_PORT = 65535
_AUTHORITY = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?")
_NEVER_IN_WEB_ADDRESS = frozenset(' "<>\\^`{|}?#')
_WEB_RULE = "must be an absolute http(s) address with a host and no user, query or fragment"
_HTTPS_RULE = "must be https: http is for a loopback host, or with allow_http = true"
_ORIGIN_RULE = (
    "must be an exact origin as browsers write it: scheme://host[:port] in lower case, without a "
    "path or a default port; neither * nor null"
)
_NETWORK_RULE = "must be a network in CIDR form without host bits, such as 10.0.0.0/8"
_HOST_RULE = "must be a host name or an IP address, without a port"
_STORE_RULE = (
    "must be memory://, redis://host:port/0, rediss://host:port/0, "
    "redis+sentinel://host:port,host:port/service or redis+cluster://host:port,host:port, "
    "with user:password@ before the first host if wanted"
)
# For each scheme: whether it takes several hosts, and the path that it takes.
_STORES = {
    "redis": (False, r"(/[0-9]{0,5})?"),
    "rediss": (False, r"(/[0-9]{0,5})?"),
    "redis+sentinel": (True, r"/[A-Za-z0-9._-]+"),
    "redis+cluster": (True, r"/?"),
}


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine alone: `localhost`, 127.0.0.0/8 or `::1`."""
    return host == "localhost" or (_is_ip(host) and ip_address(host).is_loopback)


def is_wildcard(host: str) -> bool:
    """Tell whether listening on a host means every interface: `0.0.0.0` or `::`."""
    return _is_ip(host) and ip_address(host).is_unspecified


def web_address(text: str, *, allow_http: bool) -> str:
    """Return an absolute http(s) address unchanged; plain http only where that is harmless."""
    parts = _split(text)
    if parts is None or parts.scheme not in {"http", "https"} or not _is_authority(parts.netloc):
        raise ValueError(_WEB_RULE)
    if parts.scheme == "http" and not allow_http and not is_loopback(parts.hostname or ""):
        raise ValueError(_HTTPS_RULE)
    return text


def origin(text: str) -> str:
    """Return a web origin (RFC 6454, section 6.2) in the one spelling that a browser sends."""
    scheme, separator, authority = text.partition("://")
    well_formed = separator and re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme)
    if not well_formed or not _is_authority(authority) or authority != authority.lower():
        raise ValueError(_ORIGIN_RULE)
    if text.endswith(":443" if scheme == "https" else ":80") and scheme in {"http", "https"}:
        raise ValueError(_ORIGIN_RULE)
    return text


def network(value: object) -> IPv4Network | IPv6Network:
    """Read an IP network in CIDR form; a single address is a network of one."""
    try:
        return ip_network(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError(_NETWORK_RULE) from None


def listening_host(text: str) -> str:
    """Return a host name or IP address to listen on unchanged."""
    if not _is_ip(text) and not re.fullmatch(r"[A-Za-z0-9._-]+", text):
        raise ValueError(_HOST_RULE)
    return text


def store_url(text: str) -> str:
    """Return the address of a cache store unchanged, if it is one of the forms we can open."""
    scheme, _, rest = text.partition("://")
    authority, slash, path = rest.partition("/")
    several, allowed_path = _STORES.get(scheme, (False, ""))
    hosts = authority.rpartition("@")[2].split(",")
    well_formed = (
        scheme in _STORES
        and text.isascii()
        and text.isprintable()
        and all(_is_authority(host) for host in hosts)
        and (several or len(hosts) == 1)
        and re.fullmatch(allowed_path, slash + path)
    )
    if text != MEMORY and not well_formed:
        raise ValueError(_STORE_RULE)
    return text


def _split(text: str) -> SplitResult | None:
    if not (text.isascii() and text.isprintable()) or _NEVER_IN_WEB_ADDRESS & set(text):
        return None  # urlsplit would silently drop some of these
    try:
        return urlsplit(text)
    except ValueError:
        return None  # its message repeats the address


def _is_authority(text: str) -> bool:
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        return False
    host, port = match.groups()
    bracketed = host.startswith("[")
    return (not bracketed or _is_ip(host[1:-1])) and 0 < int(port or 1) <= _MAX_PORT


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
