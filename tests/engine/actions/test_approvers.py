"""Who decides, as a policy says it: what is refused, and which entry counts when."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from detectors.errors import ConfigError
from detectors.yamlfile import YamlFile
from engine.actions.approvers import Approvers
from engine.actions.reviews import Reviews
from engine.actions.times import Hours, within
from engine.ledger.model import Requirement, Risk, Seat, Step, Window
from engine.policy.model import PolicyFile


def approvers(text: str) -> Approvers:
    return YamlFile(text, "policy.yaml").validate(Approvers)


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def test_all_that_can_be_asked_for():
    """Everything that a section says is in the requirement that a request carries."""
    found = approvers("""
        seats: [{name: security, groups: ['local:security']}, {name: owner, people: ['local:linus']}]
        denials: 2
        hours: {days: [mon, fri], from: '09:00', to: '18:30', zone: Europe/Berlin}
        escalation: [{after: 5m, groups: ['local:managers']}]
        fallback: {after: 1h, people: ['local:ada']}
        break_glass: {groups: ['local:incident']}
        channels: on-call
    """).requirement
    assert found == Requirement(
        (), (), 2,
        seats=(Seat("security", ("local:security",)), Seat("owner", (), ("local:linus",))),
        denials=2,
        hours=(Window(("mon", "fri"), 540, 1110, "Europe/Berlin"),),
        steps=(Step(300_000, ("local:managers",)), Step(3_600_000, (), ("local:ada",), fallback=True)),
        break_glass=Seat("break-glass", ("local:incident",)),
        channels=("on-call",),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("quorum: 1", "names nobody"),
        ("{groups: ['local:a'], seats: [{name: x, groups: ['local:a']}]}", "beside seats"),
        ("seats: [{name: x, groups: ['local:a']}, {name: x, groups: ['local:b']}]", "two seats have one name"),
        ("{quorum: 2, seats: [{name: x, groups: ['local:a']}]}", "cannot be reached by 1 seats"),
        ("{quorum: 2, people: ['local:a']}", "cannot be reached by 1 people"),
        ("seats: [{name: x}]", "names nobody"),
        ("groups: [security]", "write 'issuer:id'"),
        ("{groups: ['local:a'], denials: 0}", "greater than or equal to 1"),
        ("{groups: ['local:a'], escalation: [{after: 9m, groups: ['local:b']}], fallback: {after: 5m, groups: ['local:c']}}", "must come later"),
        ("{groups: ['local:a'], escalation: [{after: soon, groups: ['local:b']}]}", "is not a duration"),
        ("{groups: ['local:a'], hours: {from: '9:00', to: '18:00'}}", "is no time of day"),
        ("{groups: ['local:a'], hours: {from: '09:00', to: '18:00', zone: Mars/North}}", "is no time zone"),
        ("{groups: ['local:a'], hours: {days: [someday], from: '09:00', to: '18:00'}}", "mon"),
        ("{groups: ['local:a'], break_glass: {}}", "names nobody"),
        ("{groups: ['local:a'], quroum: 2}", "quorum"),
        ("{groups: ['local:a'], channels: ['#on-call']}", "channels"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_line(text, message):
    """A section that nobody could satisfy, or that says two things, stops the start."""
    with pytest.raises(ConfigError, match=message):
        approvers(text)


@pytest.mark.parametrize(
    ("moment", "inside"),
    [
        ("2026-11-20T08:00", True),  # a Friday, 09:00 in Berlin
        ("2026-11-20T07:59", False),
        ("2026-11-20T16:59", True),
        ("2026-11-20T17:00", False),
        ("2026-11-21T09:00", False),  # Saturday
        ("2026-07-17T07:00", True),  # 09:00 in summer
    ],
)
def test_hours_are_those_of_the_zone(moment, inside):
    """In summer and in winter; the end is exclusive."""
    window = Hours(days=("mon", "tue", "wed", "thu", "fri"), **{"from": "09:00", "to": "18:00", "zone": "Europe/Berlin"}).window  # fmt: skip
    assert within([window], ms(moment)) is inside


@pytest.mark.parametrize(
    ("moment", "inside"),
    [
        ("2026-11-20T21:59", False),
        ("2026-11-20T22:00", True),
        ("2026-11-21T05:59", True),  # Saturday morning, of Friday's night
        ("2026-11-21T06:00", False),
        ("2026-11-21T23:00", False),
        ("2026-11-20T03:00", False),  # Thursday's night is none
    ],
)
def test_a_night_belongs_to_the_day_on_which_it_begins(moment, inside):
    """Hours whose end is not after their start go on into the next day."""
    assert within([Window(("fri",), 22 * 60, 6 * 60, "UTC")], ms(moment)) is inside


def test_an_unknown_zone_is_in_no_hours():
    """A machine that does not know a zone lets nobody approve by it."""
    assert not within([Window(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), 0, 1440, "Mars/North")], 0)


REVIEWS = """
reviews:
  - {when: {rule: 'iam-*'}, approvers: {groups: ['local:iam']}}
  - {when: {risk: [high, critical], environment: [prod, '']}, approvers: {groups: ['local:two'], quorum: 2}, expires: 5m}
  - {when: {hours: {from: '20:00', to: '06:00'}}, approvers: {groups: ['local:night']}}
  - {when: {action: '*.export', resource: 'customers'}, approvers: {groups: ['local:data']}}
"""


@pytest.mark.parametrize(
    ("rule", "risk", "about", "clock", "picked"),
    [
        ("iam-grant", Risk.CRITICAL, ("x", "", "prod"), "12:00", ("local:iam", None)),
        ("r", Risk.HIGH, ("x", "", "PROD"), "12:00", ("local:two", 300_000)),
        ("r", Risk.HIGH, ("x", "", ""), "12:00", ("local:two", 300_000)),
        ("r", Risk.MEDIUM, ("x", "", "prod"), "12:00", None),
        ("r", Risk.HIGH, ("x", "", "staging"), "12:00", None),
        ("r", Risk.LOW, ("x", "", "staging"), "21:00", ("local:night", None)),
        ("r", Risk.LOW, ("db.export", "customers", "staging"), "12:00", ("local:data", None)),
        ("r", Risk.LOW, ("db.export", "orders", "staging"), "12:00", None),
    ],
)
def test_the_first_entry_that_fits_counts(rule, risk, about, clock, picked):
    """By rule, risk, environment, action, target and time of the day; no entry leaves it to the rule."""
    reviews = Reviews.of(YamlFile(REVIEWS, "policy.yaml").validate(PolicyFile).reviews)
    named = SimpleNamespace(action=about[0], resource=about[1], environment=about[2])
    found = reviews.pick(rule, risk, named, at=ms(f"2026-11-20T{clock}"))
    assert (found and (found[0].groups[0], found[1])) == picked


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("reviews: [{when: {risk: []}, approvers: {groups: ['local:a']}}]", "give at least one"),
        ("reviews: [{when: {hour: x}, approvers: {groups: ['local:a']}}]", "hours"),
        ("reviews: [{approvers: {groups: ['local:a']}, expires: 40d}]", "30 days at most"),
        ("reviews: [{approvers: {groups: ['local:a'], fallback: {after: 5m, groups: ['local:b']}}, expires: 5m}]", "too late"),
    ],
)  # fmt: skip
def test_an_entry_that_cannot_be_is_refused(text, message):
    """With what to change."""
    with pytest.raises(ConfigError, match=message):
        YamlFile(text, "policy.yaml").validate(PolicyFile)
