"""From a call of a function to what is asked for it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

Words = str | Callable[..., str]
"""A text, or what makes it from the function's own arguments."""


class Described:
    """How the calls of ``function`` are described. Raises TypeError for a variable-argument mismatch when called."""

    def __init__(
        self,
        function: Callable[..., Any],
        resource: Words,
        params: Callable[..., Mapping[str, Any]] | None,
        reason: Words | None,
    ) -> None:
        self._signature = inspect.signature(function)
        self._resource, self._params, self._reason = resource, params, reason

    def resource(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        """What it is done to."""
        return self._resource if isinstance(self._resource, str) else self._resource(*args, **kwargs)

    def reason(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str | None:
        """Why it is done, if that is said."""
        return self._reason(*args, **kwargs) if callable(self._reason) else self._reason

    def params(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
        """Its arguments by name, defaults included and ``self`` left out, unless it was said what they are."""
        if self._params is not None:
            return self._params(*args, **kwargs)
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return {name: value for name, value in bound.arguments.items() if name not in ("self", "cls")}
