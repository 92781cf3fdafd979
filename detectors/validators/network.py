"""Validators of network addresses."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping

_NO_HOST_V4 = re.compile(rb"\d{1,3}\.0\.0\.0")


def ipv4(secret: bytes) -> bool:
    """A dotted-quad IPv4 address of some host.

    Not: loopback (127/8), unspecified, broadcast, multicast, netmasks, and networks such as 120.0.0.0, which in logs
    are version numbers (Chrome/120.0.0.0) more often than addresses. Private addresses do count: they point at one
    machine.
    """
    try:
        address = ipaddress.IPv4Address(secret.decode("ascii"))
    except ValueError:
        return False
    mask = int(address) ^ 0xFFFFFFFF
    netmask = int(address) >= 0xFF000000 and mask & (mask + 1) == 0
    return not (address.is_loopback or address.is_multicast or netmask or _NO_HOST_V4.fullmatch(secret))


def ipv6(secret: bytes) -> bool:
    """An IPv6 address of some host, with or without an embedded IPv4 address.

    Not: loopback (``::1``), unspecified (``::``), multicast, nor what is written with fewer than four digits
    (``a::b``), which in logs is more often a name of a programming language.
    """
    try:
        address = ipaddress.IPv6Address(secret.decode("ascii"))
    except ValueError:
        return False
    digits = len(re.findall(rb"[0-9A-Fa-f]", secret))
    return not (address.is_loopback or address.is_unspecified or address.is_multicast) and digits >= 4


def mac(secret: bytes) -> bool:
    """A MAC address of some device (EUI-48, in IEEE, colon or Cisco notation): not all zeros, not broadcast."""
    digits = re.sub(rb"[^0-9A-Fa-f]", b"", secret).lower()
    return len(digits) == 12 and digits not in (b"0" * 12, b"f" * 12)


VALIDATORS: Mapping[str, Callable[[bytes], bool]] = {"ipv4": ipv4, "ipv6": ipv6, "mac": mac}
