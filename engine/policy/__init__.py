"""The policy: what is redacted and how, what is privileged and who must approve."""

from engine.policy.compiled import Policy
from engine.policy.load import load_policy

__all__ = ["Policy", "load_policy"]
