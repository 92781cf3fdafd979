"""The gate's part of the API is as its OpenAPI description says, for who may use it."""

from __future__ import annotations

import pytest
import schemathesis
from described import answers_as_described
from gate_site import GateSite
from schemathesis import GenerationMode


@pytest.mark.parametrize("scope", ["gate", "redeem"])
@pytest.mark.parametrize("mode", list(GenerationMode), ids=str)
def test_the_gate_is_as_it_describes_itself(shared: GateSite, mode: GenerationMode, scope: str) -> None:
    """Nothing that its description allows, or forbids, makes it fail, or answer what the description does not say."""
    schema = schemathesis.openapi.from_url(f"{shared.http}/v1/openapi.json")
    schema = schema.include(path_regex="/v1/(gate|tokens)/").exclude(path_regex="/events$")
    token = shared.token(f"fuzz-{scope}-{mode}", scope)
    assert answers_as_described(schema, {"Authorization": f"Bearer {token}"}, mode) >= 4
