"""A card in Block Kit. Pure.

Everything that comes from a request is plain text, with & < > escaped before anything is cut, or stands in a
preformatted block of rich text: there is nothing in which markup would count.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from approvals.channels.card import Card, Seen, seen_in

HEADER, FIELD, TEXT, META = 150, 2_000, 3_000, 3_000
"""Slack's limits, in characters (https://docs.slack.dev/reference/block-kit/blocks)."""
DENY, ASK, LINK = "sluicegate_deny", "sluicegate_ask", "sluicegate_link"
WORDS, FIELD_ID = "words", "text"
REASON_LIMIT = 2_000
_ESCAPED = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}

Block = dict[str, Any]
Form = Literal["deny", "ask", "link"]


def fit(text: str, limit: int) -> str:
    """``text`` escaped as Slack wants it, cut to ``limit`` characters (as UTF-16 counts them), never in an escape."""
    if sum(map(_size, text)) <= limit:
        return "".join(_ESCAPED.get(char, char) for char in text)
    pieces, used = [], 1  # for the ellipsis
    for char in text:
        used += _size(char)
        if used > limit:
            break
        pieces.append(_ESCAPED.get(char, char))
    return "".join(pieces) + "…"


def message(card: Card) -> dict[str, Any]:
    """The arguments of chat.postMessage and chat.update beside channel and ts."""
    blocks: list[Block] = [{"type": "header", "text": _plain(card.title, HEADER)}, _section(card.sentence)]
    if card.outcome:
        blocks.append(_section(card.outcome))
    fields = [_plain(f"{name}\n{value}", FIELD) for name, value in card.facts]
    blocks.append({"type": "section", "fields": fields[:10]})
    if card.claim:
        blocks.append(_section(f"It says why: {card.claim}"))
    if card.params:
        blocks.append(_preformatted("\n".join(card.params)))
    if card.hidden:
        blocks.append(_section(card.hidden))
    notes = [f"Fingerprint {card.fingerprint}, version {card.seen.version}"]
    if card.why_open and card.is_open:
        notes.append(f"Open it to approve: {card.why_open}")
    blocks.append({"type": "context", "elements": [_plain(note, TEXT) for note in notes]})
    blocks.append({"type": "actions", "block_id": "sluicegate", "elements": _buttons(card)})
    return {
        "text": fit(f"{card.title}. {card.sentence}", TEXT),
        "blocks": blocks,
        "parse": "none",
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def form(kind: Form, seen: Seen | None, channel: str, ts: str) -> dict[str, Any]:
    """The modal that asks for a reason, a question, or a code; ``channel`` and ``ts`` say of which message."""
    title, label, callback = {
        "deny": ("Deny", "Why not? Those who ask can read it.", DENY),
        "ask": ("Ask", "What do you want to know? Those who ask answer it.", ASK),
        "link": ("Link", "The code from the page", LINK),
    }[kind]
    element = {
        "type": "plain_text_input",
        "action_id": FIELD_ID,
        "multiline": kind != "link",
        "min_length": 1,
        "max_length": 20 if kind == "link" else REASON_LIMIT,
    }
    meta = json.dumps({"seen": seen.text() if seen else "", "channel": channel, "ts": ts})
    return {
        "type": "modal",
        "callback_id": callback,
        "private_metadata": meta[:META],
        "title": _plain(title, 24),
        "submit": _plain(title, 24),
        "close": _plain("Back", 24),
        "blocks": [{"type": "input", "block_id": WORDS, "label": _plain(label, 2_000), "element": element}],
    }


def form_context(meta: str) -> tuple[Seen | None, str, str]:
    """What `form` put into a modal. Raises ValueError if it was not that."""
    found = json.loads(meta)
    if not isinstance(found, dict):
        raise ValueError("no modal of ours")
    return seen_in(str(found.get("seen", ""))), str(found.get("channel", "")), str(found.get("ts", ""))


def link_offer(text: str) -> list[Block]:
    """An answer with a button that lets somebody type in a code."""
    button = {"type": "button", "action_id": "link", "text": _plain("Link", 75), "value": "link"}
    return [_section(text), {"type": "actions", "block_id": "sluicegate_link", "elements": [button]}]


def _buttons(card: Card) -> list[Block]:
    value = card.seen.text()
    buttons: list[Block] = []
    if "approve" in card.verbs:
        confirm = {
            "title": _plain("Approve?", 100),
            "text": _plain(f"{card.sentence} Fingerprint {card.fingerprint}", 300),
            "confirm": _plain("Approve", 30),
            "deny": _plain("Back", 30),
        }
        buttons.append(_button("approve", "Approve", value) | {"confirm": confirm})
    if "deny" in card.verbs:
        buttons.append(_button("deny", "Deny", value))
    if "ask" in card.verbs:
        buttons.append(_button("ask", "Ask", value))
    return [*buttons, {"type": "button", "action_id": "open", "text": _plain("Open", 75), "url": card.url}]


def _button(action: str, text: str, value: str) -> Block:
    return {"type": "button", "action_id": action, "text": _plain(text, 75), "value": value}


def _section(text: str) -> Block:
    return {"type": "section", "text": _plain(text, TEXT)}


def _plain(text: str, limit: int) -> Block:
    return {"type": "plain_text", "text": fit(text, limit) or " ", "emoji": False}


def _preformatted(text: str) -> Block:
    # Elements of rich text are read by nothing: what they hold is shown as it is, so there is nothing to escape.
    inner = {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": text}]}
    return {"type": "rich_text", "elements": [inner]}


def _size(char: str) -> int:
    return len(_ESCAPED.get(char, char)) + (ord(char) > 0xFFFF)
