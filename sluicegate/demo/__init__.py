"""The demo: the whole system on one machine, with agents that are made up.

- `folder`: everything the demo writes, in one place; `agents`: what is played into it, and when
- `parts` and `child`: the real `sluicegate run` and `sluicegate approvals serve`, as processes of their own
- `watch` and `pairs`: what is read back from the log; `screen`: how that looks
- `live` puts them together; `once` and `checks` are the finite demo that checks itself
"""

from __future__ import annotations

from detectors.errors import SluicegateError


class DemoError(SluicegateError):
    """The demo cannot go on."""
