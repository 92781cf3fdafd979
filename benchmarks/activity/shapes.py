"""The forms that activity records come in, each as its source documents it.

- proposal: ours; OpenAI: https://platform.openai.com/docs/guides/function-calling; Anthropic:
  https://docs.anthropic.com/en/docs/build-with-claude/tool-use; MCP: the ``tools/call`` request of
  https://modelcontextprotocol.io/specification
- CloudTrail: https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference.html
- Kubernetes: ``Event`` of https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/
- log and access: what most services write when they are told to log JSON
"""

from __future__ import annotations

from typing import Any

import orjson

from benchmarks.activity.values import BASE62, hex_id, letters, pick
from benchmarks.activity.world import Activity, Session, World

Document = dict[str, Any]

ACCOUNT = "111122223333"  # the account number of AWS's own examples
REGIONS = ("eu-central-1", "eu-west-1", "us-east-1")


def uuid(w: World) -> str:
    """A random UUID (RFC 9562, version 4)."""
    bits = f"{w.rng.getrandbits(128):032x}"
    return f"{bits[:8]}-{bits[8:12]}-4{bits[13:16]}-a{bits[17:20]}-{bits[20:]}"


def proposal(
    w: World,
    s: Session,
    action: str,
    resource: str,
    params: Document,
    *,
    reason: str,
    environment: str = "prod",
    privileged: bool = False,
) -> Activity:
    """An action before it ran. A hot one says for whom, by e-mail; a cold one comes from a schedule."""
    actor = {"type": "agent", "id": s.agent.id}
    document: Document = {"ts": w.ts, "session": s.id, "trace_id": s.trace, "actor": actor}
    if w.hot:
        actor["owner"] = w.mail_of(s.agent.owner)
        document["on_behalf_of"] = w.mail_of(s.behalf)
    else:
        document["trigger"] = "schedule"
    document.update(action=action, resource=resource, environment=environment, reason=reason, params=params)
    return w.done(s, "proposal", document, privileged=privileged)


def openai(w: World, s: Session, *, user: str, tool: str, arguments: Document, result: str | None = None) -> Activity:
    """A turn of an OpenAI conversation that calls a tool, with its answer when ``result`` is given."""
    call = f"call_{letters(w.rng, BASE62, 24)}"
    function = {"name": tool, "arguments": orjson.dumps(arguments).decode()}
    messages: list[Document] = [
        {"role": "user", "content": user},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": call, "type": "function", "function": function}],
        },
    ]
    if result is not None:
        messages.append({"role": "tool", "tool_call_id": call, "content": result})
    document = {"ts": w.ts, "session": s.id, "agent": s.agent.id, "model": "gpt-4.1", "messages": messages}
    return w.done(s, "openai", document)


def anthropic(w: World, s: Session, *, thought: str, tool: str, given: Document, result: str) -> Activity:
    """A turn of an Anthropic conversation: a thought, a tool_use block and its result."""
    use = f"toolu_{letters(w.rng, BASE62, 24)}"
    blocks = [
        {"type": "text", "text": thought},
        {"type": "tool_use", "id": use, "name": tool, "input": given},
    ]
    answer = [{"type": "tool_result", "tool_use_id": use, "content": result}]
    document = {
        "ts": w.ts,
        "session": s.id,
        "agent": s.agent.id,
        "model": "claude-sonnet-4-5",
        "messages": [{"role": "assistant", "content": blocks}, {"role": "user", "content": answer}],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 400 + w.rng.getrandbits(11), "output_tokens": 20 + w.rng.getrandbits(7)},
    }
    return w.done(s, "anthropic", document)


def mcp(w: World, s: Session, server: str, tool: str, arguments: Document) -> Activity:
    """A tools/call on its way to an MCP server, with the session in ``_meta``."""
    call = {"name": tool, "arguments": arguments, "_meta": {"progressToken": w.rng.getrandbits(16)}}
    message = {"jsonrpc": "2.0", "id": w.rng.getrandbits(12), "method": "tools/call", "params": call}
    envelope = {
        "ts": w.ts,
        "session": s.id,
        "trace_id": s.trace,
        "agent": s.agent.id,
        "server": server,
        "direction": "request",
        "message": message,
    }
    return w.done(s, "mcp", envelope)


def cloudtrail(
    w: World,
    s: Session,
    source: str,
    name: str,
    request: Document,
    *,
    read: bool = True,
    privileged: bool = False,
) -> Activity:
    """A call to the cloud's API, as recorded. A hot one comes from an address, a cold one from a service."""
    role = f"arn:aws:sts::{ACCOUNT}:assumed-role/{s.agent.role}/{s.agent.id}"
    service = f"{source}.amazonaws.com"
    document: Document = {
        "eventVersion": "1.11",
        "userIdentity": {"type": "AssumedRole", "arn": role, "accountId": ACCOUNT},
        "eventTime": f"{w.ts[:19]}Z",
        "eventSource": service,
        "eventName": name,
        "awsRegion": pick(w.rng, REGIONS),
        "sourceIPAddress": w.say("ip", "cloudformation.amazonaws.com"),
        "userAgent": "aws-sdk-python/1.40 agent-runtime/2.3",
        "requestParameters": request,
        "responseElements": None,
        "eventID": uuid(w),
        "readOnly": read,
        "eventType": "AwsApiCall",
        "recipientAccountId": ACCOUNT,
    }
    return w.done(s, "cloudtrail", document, privileged=privileged)


def kubernetes(
    w: World,
    s: Session,
    verb: str,
    resource: str,
    name: str,
    *,
    namespace: str = "prod",
    group: str = "",
    subresource: str = "",
    body: Document | None = None,
    privileged: bool = False,
) -> Activity:
    """An audit event of the cluster's API server. Only a hot one says from which address."""
    api = f"/apis/{group}/v1" if group else "/api/v1"
    where = f"/namespaces/{namespace}" if namespace else ""
    tail = f"/{subresource}" if subresource else ""
    target: Document = {"resource": resource, "namespace": namespace, "name": name, "apiVersion": "v1"}
    if subresource:
        target["subresource"] = subresource
    document: Document = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Request" if body else "Metadata",
        "auditID": uuid(w),
        "stage": "ResponseComplete",
        "requestURI": f"{api}{where}/{resource}/{name}{tail}",
        "verb": verb,
        "user": {
            "username": f"system:serviceaccount:agents:{s.agent.id}",
            "groups": ["system:serviceaccounts", "system:authenticated"],
        },
        "objectRef": target,
        "responseStatus": {"code": 201 if verb == "create" else 200},
        "requestReceivedTimestamp": f"{w.ts[:-1]}000Z",
    }
    if w.hot:
        document["sourceIPs"] = [w.plant("ip")]
    if body:
        document["requestObject"] = body
    return w.done(s, "kubernetes", document, privileged=privileged)


def log(w: World, s: Session, level: str, service: str, msg: str, **more: Any) -> Activity:
    """A line of an application's log."""
    document = {
        "ts": w.ts,
        "level": level,
        "service": service,
        "msg": msg,
        **more,
        "logger": f"{service}.{pick(w.rng, ('worker', 'http', 'jobs', 'events'))}",
        "host": f"node-{w.rng.getrandbits(4)}",
        "pod": s.pod,
        "version": s.version,
        "trace_id": s.trace,
        "span_id": hex_id(w.rng, 16),
    }
    return w.done(s, "log", document)


def access(w: World, s: Session, method: str, path: str, status: int, *, headers: Document | None = None) -> Activity:
    """A request that an HTTP server answered; a hot one comes from an address."""
    document: Document = {
        "ts": w.ts,
        "client": w.say("ip", f"edge-{w.rng.getrandbits(3)}"),
        "method": method,
        "host": "api.example.com",
        "path": path,
        "status": status,
        "bytes": w.rng.getrandbits(14),
        "duration_ms": round(1 + w.rng.random() * 400, 2),
        "user_agent": pick(w.rng, ("python-httpx/0.28.1", "Mozilla/5.0 (X11; Linux x86_64) Firefox/143.0")),
        "request_id": hex_id(w.rng, 16),
        "trace_id": s.trace,
        "upstream": {"pod": s.pod, "attempts": 1, "connect_ms": round(w.rng.random() * 3, 3)},
        "tls": "TLSv1.3",
    }
    if headers:
        document["headers"] = headers
    return w.done(s, "access", document)


def chat(w: World, s: Session, text: str) -> Activity:
    """What a customer wrote to us."""
    document = {
        "ts": w.ts,
        "session": s.id,
        "channel": pick(w.rng, ("web", "mail", "app")),
        "role": "customer",
        "customer": s.customer,
        "text": text,
        "thread": {"order": s.order, "turn": w.rng.getrandbits(3), "language": "de" if "ü" in text else "en"},
        "trace_id": s.trace,
    }
    return w.done(s, "chat", document)
