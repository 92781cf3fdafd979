"""Requests in the words of a terminal. What records hold gets to it as plain text only."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


def standing_of(request: Mapping[str, Any]) -> str:
    """Where a request stands: ``pending, 1 of 2 approvals``."""
    verdict = request["verdict"]
    if verdict is None:
        state = "a repeat" if request["folded_into"] else request["state"].replace("_", " ")
        approvals = sum(vote["decision"] == "approve" for vote in request["votes"])
        return f"{state}, {approvals} of {request['quorum']} approvals"
    words = {"approved": "acknowledged", "denied": "flagged"} if request["kind"] == "fact" else {}
    word = words.get(verdict["verdict"], verdict["verdict"])
    by = " and ".join(vote["subject"] for vote in verdict["votes"])
    return f"{word}{f' by {by}' if by else ''}"


def _sentence(request: Mapping[str, Any]) -> str:
    names = {role: p for p in reversed(request["principals"]) for role in [p["role"]]}
    first = names.get("initiator") or request["principals"][0]
    behalf = names.get("on_behalf_of")
    who = f"{first['issuer']}:{first['subject']}"
    acting = f", acting for {behalf['issuer']}:{behalf['subject']}," if behalf else ""
    verb = "has run" if request["kind"] == "fact" else "wants to run"
    on = f" on {request['resource']}" if request["resource"] else ""
    where = f" in {request['environment']}" if request["environment"] else ""
    return printable(f"{who}{acting} {verb} {request['action']}{on}{where}")


def _left(request: Mapping[str, Any]) -> str:
    """How long it still waits, and whether whoever asks can decide: ``07:42 you can``."""
    if request["verdict"] is not None:
        return ""
    seconds = max(0, request["expires"] // 1000 - int(time.time()))
    days, rest = divmod(seconds, 86_400)
    clock = f"{rest // 3600}:{rest // 60 % 60:02}:{rest % 60:02}" if rest >= 3600 else f"{rest // 60:02}:{rest % 60:02}"
    return f"{f'{days}d {clock}' if days else clock} {'you can' if request['can_decide'] else 'not you'}"


def line_of(request: Mapping[str, Any]) -> str:
    """A request in one line."""
    times = f" ×{request['repeats'] + 1}" if request["repeats"] else ""
    return (
        f"{request['request_id'][:12]}  {request['risk']:<8}  {_left(request):<18}  {standing_of(request):<28}  "
        f"{_sentence(request)[:200]}{times}"
    )


_SILENCE = {"proposal": "silence is a denial", "fact": "it has happened, and is then closed as not reviewed"}


def description_of(request: Mapping[str, Any]) -> list[str]:
    """All there is to know of a request, in lines."""
    lines = [_sentence(request), ""]
    times = f", asked {request['repeats'] + 1} times" if request["repeats"] else ""
    facts = {
        "request": f"{request['request_id']}, version {request['version']}{times}",
        "state": standing_of(request),
        "risk": request["risk"],
        "rule": f"{request['rule_id']}: {request['rule_reason']}" if request["rule_reason"] else request["rule_id"],
        "says": request["reason"],
        "expires": f"{time_of(request['expires'])}; {_SILENCE[request['kind']]}",
        "binding": request["binding"],
    }
    lines += [f"{name + ':':<10}{printable(str(value))}" for name, value in facts.items() if value]
    lines += ["", "principals:"]
    lines += [printable(f"  {p['role']:<13} {p['issuer']}:{p['subject']}") for p in request["principals"]]
    lines += ["", "parameters (sanitized):", *(f"  {line}" for line in _pretty(request["params"]))]
    for vote in (request["verdict"] or request)["votes"]:
        said = f"{vote['subject']}: {vote['decision']}, {time_of(vote['at'])}: {vote['reason']}"
        lines.append(printable(f"vote of {said}"))
    if request["why_not"]:
        lines += ["", printable(request["why_not"])]
    return lines


def _pretty(params: str) -> list[str]:
    from approvals.web.params import param_lines

    return [printable(f"{path or 'value'} = {value}") for path, value in param_lines(params)]


def printable(text: str) -> str:
    """Log content on a terminal: no escape sequence, no character that turns text around, gets through."""
    from approvals.web.text import plain

    return plain(text)


def time_of(ms: int) -> str:
    """``ms`` since the epoch as people read it."""
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
