"""Whether a sign-in is fresh and strong enough for a decision: high risk wants more than a session of this morning."""

from __future__ import annotations

from approvals.identity.settings import IdentitySettings
from engine.ledger.model import Decision, Risk

_WANTED = (Risk.HIGH, Risk.CRITICAL)


def must_sign_in_again(
    settings: IdentitySettings | None,
    risk: Risk,
    decision: Decision,
    *,
    auth_time: int,
    acr: str,
    now: int,
    break_glass: bool = False,
) -> bool:
    """Whether whoever signed in at ``auth_time`` (s; 0: not known) by ``acr`` has to do so again; ``now`` in ms.

    A denial never needs it: saying no must be easy. Without a provider there is nothing to sign in to again.
    """
    if settings is None or decision is Decision.DENY or (risk not in _WANTED and not break_glass):
        return False
    step_up = settings.step_up
    weak = bool(step_up.acr_values) and acr not in step_up.acr_values
    return weak or now / 1000 - auth_time > step_up.max_age + settings.leeway
