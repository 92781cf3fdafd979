"""A card as an adaptive card (https://adaptivecards.io). Pure.

All text stands in runs of rich text, which read no Markdown: what comes from a request is shown as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from approvals.channels.card import Card, Verb

VERSION = "1.5"
USERS = 60
"""How many people Teams refreshes a card for."""
CARD_BYTES = 28_000
CONTENT_TYPE = "application/vnd.microsoft.card.adaptive"
_LABELS: tuple[tuple[Verb, str], ...] = (("approve", "Approve"), ("deny", "Deny"), ("ask", "Ask"))

Element = dict[str, Any]


def announcement(card: Card, *, verbs: bool, users: Sequence[str] = ()) -> Element:
    """The card that everybody in a conversation sees. ``users`` see it by themselves as it is for them.

    ``verbs``: there is a bot behind it, which can be asked for the buttons; else there is Open alone.
    """
    actions: list[Element] = []
    more: Element = {}
    if verbs and card.is_open and card.verbs:
        mine = _execute("Decide here", "mine", card)
        actions.append(mine)
        if users:
            more = {"refresh": {"action": mine, "userIds": list(users)[:USERS]}}
    return _card([*_body(card), *_why_open(card)], [*actions, _open(card)]) | more


def personal(card: Card, offered: Collection[str], note: str, users: Sequence[str] = ()) -> Element:
    """The card as it is for one person, with the buttons that they are ``offered``; ``note`` is told first."""
    body = [_text(note, weight="Bolder")] if note else []
    body += [*_body(card), *_why_open(card)]
    verbs = [(verb, label) for verb, label in _LABELS if verb in card.verbs and verb in offered]
    if any(verb in ("deny", "ask") for verb, _ in verbs):
        body.append(
            {
                "type": "Input.Text",
                "id": "words",
                "label": "Reason, or question",
                "isMultiline": True,
                "maxLength": 2_000,
            }
        )
    made = _card(body, [*(_execute(label, verb, card) for verb, label in verbs), _open(card)])
    if users and card.is_open:
        made["refresh"] = {"action": _execute("Refresh", "mine", card), "userIds": list(users)[:USERS]}
    return made


def link_form(text: str, card: Card) -> Element:
    """Asks somebody who is not linked yet for the code from the page."""
    field = {"type": "Input.Text", "id": "code", "label": "The code from the page", "maxLength": 20}
    return _card([_text(text), field], [_execute("Link", "link", card), _open(card)])


def activity(card: Element) -> Element:
    """A message with a card, as the Bot Connector takes it."""
    return {"type": "message", "attachments": [{"contentType": CONTENT_TYPE, "content": card}]}


def workflow(card: Element) -> Element:
    """A message with a card, as a workflow's webhook takes it."""
    return {"type": "message", "attachments": [{"contentType": CONTENT_TYPE, "contentUrl": None, "content": card}]}


def _card(body: list[Element], actions: list[Element]) -> Element:
    return {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": VERSION,
        "body": body,
        "actions": actions,
    }


def _body(card: Card) -> list[Element]:
    body = [_text(card.title, weight="Bolder", size="Large"), _text(card.sentence)]
    if card.outcome:
        body.append(_text(card.outcome, weight="Bolder"))
    facts = [*card.facts, ("Fingerprint", f"{card.fingerprint}, version {card.seen.version}")]
    body += [_fact(name, value) for name, value in facts]
    if card.claim:
        body.append(_text(f"It says why: {card.claim}"))
    if card.params:
        runs = [{"type": "TextRun", "text": line, "fontType": "Monospace"} for line in card.params]
        body += [{"type": "RichTextBlock", "inlines": [run]} for run in runs]
    if card.hidden:
        body.append(_text(card.hidden))
    return body


def _why_open(card: Card) -> list[Element]:
    return [_text(f"Open it to approve: {card.why_open}")] if card.why_open and card.is_open else []


def _text(text: str, *, weight: str = "Default", size: str = "Default") -> Element:
    """Text that is shown as it is: a run reads no Markdown."""
    run = {"type": "TextRun", "text": text, "weight": weight, "size": size}
    return {"type": "RichTextBlock", "inlines": [run]}


def _fact(name: str, value: str) -> Element:
    runs = [{"type": "TextRun", "text": f"{name}: ", "weight": "Bolder"}, {"type": "TextRun", "text": value}]
    return {"type": "RichTextBlock", "inlines": runs}


def _execute(title: str, verb: str, card: Card) -> Element:
    data = {"seen": card.seen.text()}
    return {"type": "Action.Execute", "title": title, "verb": verb, "data": data}


def _open(card: Card) -> Element:
    return {"type": "Action.OpenUrl", "title": "Open", "url": card.url}
