"""Records of the shipped shapes, and JSON written in odd but valid ways."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Style:
    """How JSON is written: white space between tokens, and whether slashes are escaped."""

    space: str = ""
    slashes: bool = False

    def write(self, value: object) -> str:
        """``value`` as JSON; strings are never written with \\u escapes."""
        gap = self.space
        if isinstance(value, dict):
            items = (f"{gap}{self.write(k)}{gap}:{gap}{self.write(v)}{gap}" for k, v in value.items())
            return "{" + ",".join(items) + "}"
        if isinstance(value, Pairs):
            items = (f"{gap}{self.write(k)}{gap}:{gap}{self.write(v)}{gap}" for k, v in value.items)
            return "{" + ",".join(items) + "}"
        if isinstance(value, list):
            return "[" + ",".join(f"{gap}{self.write(v)}{gap}" for v in value) + "]"
        text = json.dumps(value, ensure_ascii=False)
        return text.replace("/", "\\/") if self.slashes and isinstance(value, str) else text


@dataclass(frozen=True)
class Pairs:
    """An object that may repeat its keys."""

    items: tuple[tuple[str, object], ...]


def generic(**changes: object) -> dict[str, object]:
    return {"actor": "etl-7", "action": "db.read", "resource": "orders", "params": {}} | changes


def openai(name: str, arguments: object, **more: object) -> dict[str, object]:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": text}}
    return {"role": "assistant", "content": None, "tool_calls": [call], **more}


def anthropic(name: str, arguments: object, **more: object) -> dict[str, object]:
    block = {"type": "tool_use", "id": "toolu_1", "name": name, "input": arguments}
    return {"role": "assistant", "content": [{"type": "text", "text": "On it."}, block], **more}


def mcp(name: str, arguments: object, **more: object) -> dict[str, object]:
    params = {"name": name, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params, **more}


def cloudtrail(source: str, name: str, params: object = None, **more: object) -> dict[str, object]:
    identity = {
        "type": "AssumedRole",
        "arn": "arn:aws:sts::111122223333:assumed-role/Deployer/ada",
        "sessionContext": {"sessionIssuer": {"arn": "arn:aws:iam::111122223333:role/Deployer"}},
    }
    event = {"eventVersion": "1.09", "eventSource": source, "eventName": name, "userIdentity": identity}
    return event | {"requestParameters": params, "recipientAccountId": "111122223333"} | more


def kubernetes(verb: str, resource: str, **more: object) -> dict[str, object]:
    return {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "stage": "ResponseComplete",
        "verb": verb,
        "user": {"username": "ada", "groups": ["system:authenticated"]},
        "objectRef": {"resource": resource, "namespace": "prod", "name": "web"},
    } | more
