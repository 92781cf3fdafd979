"""An API against its own OpenAPI description, by schemathesis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from unittest import SkipTest

from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance


def answers_as_described(schema: Any, headers: Mapping[str, str], mode: GenerationMode, *, examples: int = 8) -> int:
    """Tries each operation of ``schema`` with what its description allows, or forbids; how many could be tried."""
    tried = 0
    for found in schema.get_all_operations():
        operation = found.ok()

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(max_examples=examples, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
        def check(case: Any) -> None:
            response = case.call(headers=headers)
            if response.status_code == 413:  # which is said before anything is read
                assert response.headers["content-type"] == ["application/problem+json"]
                return
            # A cursor is more than its schema says, and If-Match may be any tag at all.
            case.validate_response(response, headers=headers, excluded_checks=[positive_data_acceptance])

        try:
            check()
            tried += 1
        except (Unsatisfiable, SkipTest):  # where nothing can be sent, nothing can be forbidden
            assert mode is GenerationMode.NEGATIVE
    return tried
