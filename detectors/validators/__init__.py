"""Validators: whether bytes that look like a secret or an identifier can be one.

A validator is a pure function ``bytes -> bool`` that never raises, whatever the bytes. Rules name them. Where a
library knows the checksum (python-stdnum, phonenumbers), it is asked; own code is for what no library has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from detectors.validators import finance, identity, network, phone, tokens, words

Validator = Callable[[bytes], bool]

VALIDATORS: Mapping[str, Validator] = MappingProxyType(
    {
        **tokens.VALIDATORS,
        **words.VALIDATORS,
        **network.VALIDATORS,
        **finance.VALIDATORS,
        **identity.VALIDATORS,
        **phone.VALIDATORS,
    }
)
"""Every validator by the name that rules use."""

__all__ = ["VALIDATORS", "Validator"]
