"""Validators: whether bytes that look like a secret or an identifier can be one.

A validator is a pure function ``bytes -> bool`` that never raises, whatever the bytes. Rules name them. Where a
library knows the checksum (python-stdnum, phonenumbers), it is asked; own code is for what no library has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from importlib import import_module

from detectors.validators import network, tokens, words

Validator = Callable[[bytes], bool]

_WITH_LIBRARIES = ("finance", "identity", "phone")
"""The modules that bring 250 modules of libraries along: loaded when one of their validators is asked for."""


class _Validators(Mapping[str, Validator]):
    """All validators by name."""

    def __init__(self) -> None:
        self._own: dict[str, Validator] = {**tokens.VALIDATORS, **words.VALIDATORS, **network.VALIDATORS}

    @cached_property
    def _all(self) -> dict[str, Validator]:
        found = dict(self._own)
        for name in _WITH_LIBRARIES:
            found |= import_module(f"{__name__}.{name}").VALIDATORS
        return found

    def __getitem__(self, name: str) -> Validator:
        return self._own.get(name) or self._all[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)


VALIDATORS: Mapping[str, Validator] = _Validators()
"""Every validator by the name that rules use."""

__all__ = ["VALIDATORS", "Validator"]
