"""channels.yaml: what it may say, and what is said about a mistake in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from approval_makers import request

from approvals.channels.settings import Route, load_channels
from detectors.errors import ConfigError
from engine.ledger.model import ActionKind, Risk

KEY = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ENVIRON = {
    "BOT": "xoxb-very-secret",
    "APP": "xapp-very-secret",
    "SIGN": "signing-very-secret",
    "KEY": KEY,
    "FLOW": "https://flow.example.com/very-secret?sig=very-secret",
    "TEAMS": "very-secret",
    "EMPTY": "  ",
}
SLACK = "slack: {token: {env: BOT}, app_id: A0123, team_id: T0123, signing_secret: {env: SIGN}}\n"
TEAMS = "teams: {app_id: app, tenant_id: ten, client_secret: {env: TEAMS}}\n"
GOOD = (
    SLACK
    + TEAMS
    + """\
channels:
  - {name: on-call, slack: C0123, risks: [low, medium], environments: [prod*], rules: [bulk-*], kinds: [proposal]}
  - {name: ops, teams: '19:abc@thread.tacv2'}
  - {name: flow, workflow: {env: FLOW}}
  - name: siem
    webhook: https://siem.example.com/hooks
    secret: {env: KEY}
    events: [request.approved, request.denied]
    allow_addresses: [10.20.0.0/16]
"""
)


def load(tmp_path: Path, text: str, environ=ENVIRON):
    path = tmp_path / "channels.yaml"
    path.write_text(text)
    return load_channels(path, environ)


def test_a_whole_file(tmp_path):
    """Each channel with its kind, target and route; no secret is in what is printed of it."""
    found = load(tmp_path, GOOD)
    assert [(c.name, c.kind) for c in found.channels] == [
        ("on-call", "slack"),
        ("ops", "teams"),
        ("flow", "workflow"),
        ("siem", "webhook"),
    ]
    assert found.channels[0].route.risks == {Risk.LOW, Risk.MEDIUM}
    assert found.channels[3].events == {"request.approved", "request.denied"}
    assert found.slack is not None
    assert found.slack.token == "xoxb-very-secret"
    assert "very-secret" not in repr(found)
    assert KEY[6:] not in repr(found)


def test_secrets_from_files_are_beside_the_configuration(tmp_path):
    """A relative path is relative to the file that names it; blanks around a secret do not count."""
    (tmp_path / "bot.secret").write_text("xoxb-filed\n")
    found = load(tmp_path, GOOD.replace("{env: BOT}", "{file: bot.secret}"))
    assert found.slack is not None
    assert found.slack.token == "xoxb-filed"


MISTAKES = [
    (GOOD.replace("on-call, slack", "on-call, slak"), "slak", "did you mean 'slack'"),
    (GOOD.replace("C0123", "on-call"), "channels[0].slack", "pattern"),
    (GOOD.replace("app_id: A0123", "app_id: ''"), "slack.app_id", "pattern"),
    (GOOD.replace("signing_secret: {env: SIGN}", "match_email: true"), "slack", "signing_secret"),
    (GOOD.replace("{env: BOT}", "xoxb-here"), "slack.token", ""),
    (GOOD.replace("{env: BOT}", "{env: NOPE}"), "slack.token.env", "holds no secret"),
    (GOOD.replace("{env: BOT}", "{env: EMPTY}"), "slack.token.env", "holds no secret"),
    (GOOD.replace("{env: BOT}", "{file: nope}"), "slack.token.file", "cannot be read"),
    (GOOD.replace(SLACK, ""), "channels[0].slack", "needs a section 'slack'"),
    (GOOD.replace(TEAMS, ""), "channels[1].teams", "needs a section 'teams'"),
    (GOOD.replace("name: ops", "name: on-call"), "channels[1].name", "name of another channel"),
    (GOOD.replace("name: ops", "name: Ops!"), "channels[1].name", "pattern"),
    (GOOD.replace("https://siem", "http://siem"), "channels[3].webhook", "https://"),
    (GOOD.replace("https://siem", "https://me:pw@siem"), "channels[3].webhook", "is no URL"),
    (GOOD.replace("    secret: {env: KEY}\n", ""), "channels[3].webhook", "can be forged"),
    (GOOD.replace("{env: KEY}", "{env: SIGN}"), "channels[3].secret", "openssl rand"),
    (GOOD.replace("request.denied", "request.deny"), "channels[3].events[1]", ""),
    (GOOD.replace("10.20.0.0/16", "10.20.0.1/16"), "channels[3].allow_addresses[0]", "no network"),
    (GOOD.replace("slack: C0123,", "slack: C0123, teams: x,"), "channels[0]", "one only"),
    (GOOD.replace("slack: C0123,", ""), "channels[0]", "needs one of"),
    (GOOD.replace("slack: C0123,", "slack: C0123, events: [request.denied],"), "channels[0].events", "means nothing"),
    (GOOD.replace("low, medium", "lo"), "channels[0].risks[0]", ""),
    (GOOD.replace("{env: FLOW}", "{env: BOT}"), "channels[2].workflow", "is no URL"),
    (
        GOOD.replace("tenant_id: ten", "tenant_id: ten, service_url: 'https://evil.example/'"),
        "teams.service_url",
        "hosts",
    ),
    (SLACK + "channels: []\n", "channels", ""),
    ("", "", ""),
]


@pytest.mark.parametrize(("text", "key", "says"), MISTAKES)
def test_a_mistake_is_named_with_its_line_and_key(tmp_path, text, key, says):
    """Start-up stops with file, line and key; never with a secret."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    message = str(caught.value)
    assert "channels.yaml" in message
    assert key in message
    assert says in message
    assert "very-secret" not in message
    assert "xoxb-here" not in message


def test_an_empty_route_takes_everything_and_each_part_narrows():
    """Parts are joined by and, what stands in one part by or."""
    made = request(risk=Risk.HIGH, environment="prod-eu", rule_id="bulk-export")
    assert Route().takes(made)
    assert Route(environments=("dev", "prod-*"), rules=("bulk-*",)).takes(made)
    assert not Route(environments=("prod",)).takes(made)
    assert not Route(frozenset({Risk.LOW}), ("prod-*",)).takes(made)
    assert not Route(kinds=frozenset({ActionKind.FACT})).takes(made)
