"""`sluicegate approvals`: the reviewer service, and what people do with it from a terminal."""

from __future__ import annotations

import click

from sluicegate.commands import (
    approvals_channels,
    approvals_decide,
    approvals_delegate,
    approvals_identity,
    approvals_login,
)
from sluicegate.commands.approvals_serve import serve


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def approvals() -> None:
    """Decide on held actions: serve the page, or list, show, approve and deny from here.

    \b
    Examples:
      sluicegate approvals serve -c sluicegate.yaml --people people.yaml
      sluicegate approvals list
      sluicegate approvals approve 7f3a --reason "expected, covered by CHG-1042"
    """


for _command in (
    serve,
    approvals_decide.list_,
    approvals_decide.show,
    approvals_decide.approve,
    approvals_decide.deny,
    approvals_decide.clarify,
    approvals_decide.answer,
    approvals_decide.withdraw,
    approvals_decide.who_can,
    approvals_channels.channels,
    approvals_delegate.delegate,
    approvals_identity.people,
    approvals_identity.token,
    approvals_identity.tokens,
    approvals_login.login,
    approvals_login.logout,
):
    approvals.add_command(_command)
