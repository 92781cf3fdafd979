"""Posts to addresses that a configuration names, and to nothing behind them.

A host is resolved once, every address it has is checked, and the connection goes to a checked one: a name that
points elsewhere a moment later changes nothing. Redirects are not followed, proxies of the environment not used.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import NamedTuple

import httpx

from approvals.channels.retry import Dead, Retry
from approvals.channels.settings import Network

TOTAL_SECONDS = 15.0
Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

# What `is_global` lets through and yet leads inside: IPv4 within IPv6, and Azure's own address for its machines.
_REFUSED = tuple(
    ip_network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "168.63.129.16/32")
)


class Replied(NamedTuple):
    """What came back: a status, and the Retry-After header, if there was one. The body is not read."""

    status: int
    retry_after: str | None


def may_reach(address: str, allowed: Sequence[Network] = ()) -> bool:
    """Whether ``address`` is public, or in one of the ``allowed`` networks."""
    try:
        ip: Address = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if any(ip in network for network in allowed):
        return True
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _REFUSED)


@lru_cache
def _usual() -> ssl.SSLContext:
    """The usual authorities: read once, since that takes a while."""
    return ssl.create_default_context()


async def resolved(host: str, port: int) -> list[str]:
    """The addresses of ``host``, as the system knows them."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def post(
    url: str,
    content: bytes,
    headers: Mapping[str, str],
    *,
    allowed: Sequence[Network] = (),
    resolve: Resolve = resolved,
    tls: ssl.SSLContext | None = None,
    seconds: float = TOTAL_SECONDS,
) -> Replied | Retry | Dead:
    """Posts ``content`` to ``url``; why not, if that fails. ``seconds`` is for all of it, however slow the other side.

    ``tls`` is by which authorities its certificate is checked; the usual ones if left out.
    """
    try:
        return asyncio.run(_within(url, content, headers, allowed, resolve, tls, seconds))
    except TimeoutError:
        return Retry(f"no answer within {seconds:g} s")


async def _within(
    url: str,
    content: bytes,
    headers: Mapping[str, str],
    allowed: Sequence[Network],
    resolve: Resolve,
    tls: ssl.SSLContext | None,
    seconds: float,
) -> Replied | Retry | Dead:
    async with asyncio.timeout(seconds):
        target = httpx.URL(url)
        try:
            addresses = await resolve(target.host, target.port or (443 if target.scheme == "https" else 80))
        except (OSError, UnicodeError):
            return Retry(f"the name {target.host} has no address")
        # All of them: a name with one address inside is not to be trusted with the others.
        if not addresses or not all(may_reach(address, allowed) for address in addresses):
            return Dead(f"{target.host} is no public address; allow_addresses can name its network", channel=True)
        at = target.copy_with(host=addresses[0].partition("%")[0])
        more = {"sni_hostname": target.raw_host.decode("ascii")} if target.scheme == "https" else {}
        sent = {**headers, "host": target.netloc.decode("ascii")}
        try:
            async with (
                httpx.AsyncClient(
                    trust_env=False, follow_redirects=False, timeout=seconds, verify=tls or _usual()
                ) as client,
                client.stream("POST", at, content=content, headers=sent, extensions=more) as answer,
            ):
                return Replied(answer.status_code, answer.headers.get("retry-after"))
        except httpx.TimeoutException:
            return Retry(f"no answer within {seconds:g} s")
        except (httpx.HTTPError, ssl.SSLError, OSError) as error:
            return Retry(f"cannot be reached ({type(error).__name__})")
        except httpx.InvalidURL:
            return Dead("its URL cannot be used", channel=True)
