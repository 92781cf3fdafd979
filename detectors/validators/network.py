"""Validators of network addresses."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping

_NUMBER = rb"(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = re.compile(rb"%b\.%b\.%b\.%b" % (_NUMBER, _NUMBER, _NUMBER, _NUMBER))


def ipv4(secret: bytes) -> bool:
    """A dotted-quad IPv4 address of some host.

    Not: loopback (127/8), unspecified, broadcast, multicast, netmasks, and networks such as 120.0.0.0, which in logs
    are version numbers (Chrome/120.0.0.0) more often than addresses. Private addresses do count: they point at one
    machine. Four numbers below 64 that are no private address (``1.2.3.4``, ``21.4.50.6``) are a version as often as an
    address: see `ipv4_low`.
    """
    return _host_v4(secret) and (max(map(int, secret.split(b"."))) >= 64 or secret.startswith(b"10."))


def ipv4_low(secret: bytes) -> bool:
    """A dotted quad of small numbers that can be the address of a host; for where a word says that it is one."""
    return _host_v4(secret)


def _host_v4(secret: bytes) -> bool:
    match = _IPV4.fullmatch(secret)
    if match is None:
        return False
    first, *rest = map(int, match.groups())
    if first == 127 or 224 <= first < 240 or rest == [0, 0, 0]:  # loopback, multicast, a network or none
        return False
    host = int.from_bytes((first, *rest)) ^ 0xFFFFFFFF
    return first < 255 or host & (host + 1) != 0  # else a netmask, or broadcast


def ipv6(secret: bytes) -> bool:
    """An IPv6 address of some host or network, with or without an embedded IPv4 address, a zone or a prefix length.

    Not: loopback (``::1``), unspecified (``::``), multicast, nor two short groups around ``::`` (``ab::cd``), which
    in logs are more often names of a programming language; unless the first group is of a range that is in use.
    """
    try:
        address = ipaddress.IPv6Address(secret.partition(b"/")[0].decode("ascii"))
    except ValueError:
        return False
    text = str(address).partition("%")[0]
    groups = [group for group in re.split(rb"[%/]", secret)[0].split(b":") if group]
    known = re.match(r"(?:2[0-9a-f]{3}|3[0-9a-f]{3}|f[cde][0-9a-f]{2}|64:ff9b):", text) is not None
    digits = len(re.findall(rb"[0-9A-Fa-f]", secret.partition(b"/")[0]))
    nobody = address.is_loopback or address.is_unspecified or address.is_multicast
    return not nobody and digits >= 4 and (known or len(groups) >= 3 or b"." in secret)


def mac(secret: bytes) -> bool:
    """A MAC address of some device (EUI-48, in IEEE, colon or Cisco notation): not all zeros, not broadcast."""
    digits = re.sub(rb"[^0-9A-Fa-f]", b"", secret).lower()
    return len(digits) == 12 and digits not in (b"0" * 12, b"f" * 12)


VALIDATORS: Mapping[str, Callable[[bytes], bool]] = {"ipv4": ipv4, "ipv4_low": ipv4_low, "ipv6": ipv6, "mac": mac}
