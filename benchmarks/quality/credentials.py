"""Which labelled spans hold a credential at all.

Scanners' sets label what stands around a secret as well: the host of a connection string, the client's id beside its
secret, a user's name, the name of an attribute, a resource, a reference that is resolved elsewhere, a placeholder.
Whoever leaves these readable has leaked nothing, so `sluicegate bench quality --credentials` counts them apart. What
they are is told from the span and what stands before and behind it alone, never from what a tool made of it.
"""

from __future__ import annotations

import re
from typing import Literal

Reason = Literal["attribute", "host", "identifier", "placeholder", "public key", "reference", "resource", "user name"]

_BEFORE = 64  # characters that are looked at before a span
_BEHIND = 16  # and behind it
_JOIN = r"[\"'\])]{0,2}\s{0,20}[:=]{1,2}>?\s{0,20}[\"'(]{0,2}"  # from a name to its value

_WHOLE: tuple[tuple[Reason, str], ...] = (
    ("reference", r"\W{0,3}(?:\$\w+|\$[{(].*|%\w+%|#\{.*|<[^>]*>|\{\{.*\}\})\W{0,3}"),
    ("placeholder", r"(?i).{0,8}?(\w)\1{11,}(?:[_-]?\1)*.{0,4}"),  # aaaaaaaaaaaa
    ("placeholder", r"(?i)[a-z]{2,5}-(?:0+-){0,3}(?:x+|[*]+|#+)|#+|[*]+"),
    ("placeholder", r"(?i)(?:your|my|some|the|smtp)?[_-]?(?:user(?:name)?|pass|pass(?:word|wrod)|login)"),
    ("identifier", r"\d{12}|\d{10,14}-[a-z0-9]{32}(?:\.apps\.googleusercontent\.com)?"),  # AWS accounts, Google clients
    ("host", r"(?i)(?:machine )?/{0,2}(?:[a-z0-9-]+\.)+[a-z]{2,}(?::\d+)?/?|localhost(?::\d+)?|[\d.]{7,15}(?::\d+)?"),
    ("resource", r"(?:arn:)?aws[\w-]*:\S*|(?:s3|gs):\S+"),
    ("resource", r"\S*(?:\bs3[.-][\w.-]*amazonaws|storage\.(?:cloud\.)?google\w*)\.com\S*"),
    ("public key", r"age1[a-z0-9]{58}|(?:ssh-|ecdsa-)\S+ .*"),
)
_AFTER: tuple[tuple[Reason, str], ...] = (
    ("identifier", rf".*(?:client|account|app(?:lication)?|tenant|token|twitter|linkedin|user)[_ -]?id{_JOIN}"),
    (
        "user name",
        rf"(?!.*://\S*$).*(?:user(?:[ _-]?name)?|[^a-z]uid|account[ _-]?name|access[ _-]?key[ _-]?name){_JOIN}",
    ),
    ("user name", r".*(?:\s-u(?:ser)? |LDAP://[^\"]{1,40}\",\s{0,4}\"|machine \S+\s+login )"),
    ("user name", r".*\suser [\"']"),
    ("host", r".*(?:@|[?&]host=)\[?"),
)
_WITHIN = [(reason, re.compile(pattern, re.DOTALL)) for reason, pattern in _WHOLE]
_BEHIND_NAME = [(reason, re.compile(pattern, re.DOTALL | re.IGNORECASE)) for reason, pattern in _AFTER]
_ATTRIBUTE = re.compile(r"[\"']\s{1,4}value=")


def no_credential(text: str, start: int, end: int) -> Reason | None:
    """Why what stands at ``text[start:end]`` (code points) is no credential; None where it is one, as far as known."""
    value, before = text[start:end], text[max(0, start - _BEFORE) : start]
    if _ATTRIBUTE.match(text, end, end + _BEHIND):
        return "attribute"
    for reason, pattern in _WITHIN:
        if pattern.fullmatch(value):
            return reason
    for reason, pattern in _BEHIND_NAME:
        if pattern.fullmatch(before):
            return reason
    return None
