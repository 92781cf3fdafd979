"""What is refused at the gate: forged, used, expired and foreign tokens, other parameters, bodies that are not in order."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from gate_site import GateSite
from joserfc.jwk import OKPKey
from sluicegate_client import Approval, TokenRejected, verify
from sluicegate_client import digest as clients_digest

from approvals.gate.errors import STATUS, Code, Unfit
from approvals.gate.tokens import Claims, Signer, digest, read_key
from detectors.errors import ConfigError
from engine.actions.tree import parse

CALL = {"action": "db.read", "resource": "t", "params": {"n": 1}}
CLAIMS = Claims("req_1", "agent:etl-7", "warehouse", "prod", digest("db.read", "t", {}, salt="s"), "s", 1_000, 2_000)


@pytest.fixture
def approved(site: GateSite) -> tuple[str, str]:
    """A token for the executor `warehouse`, and that executor's credential."""
    approval = site.gate(audience="warehouse").submit("db.read", "t", {"n": 1}).told()
    assert isinstance(approval, Approval)
    return approval.token, site.token("warehouse", "redeem", audiences=("warehouse", "lake"))


def redeem(site: GateSite, credential: str, token: str, **more: Any) -> httpx.Response:
    return site.post(credential, "/tokens/redeem", json={"token": token, **CALL, **more})


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _forgeries(token: str) -> dict[str, str]:
    header, claims, signature = token.split(".")
    said = json.loads(base64.urlsafe_b64decode(claims + "=="))
    other = Signer(_key(), "http://127.0.0.1:8787")
    return {
        "without a signature": f"{part({'alg': 'none', 'typ': 'sluicegate-approval+jwt'})}.{claims}.",
        "alg none, signed": f"{part({'alg': 'none'})}.{claims}.{signature}",
        "the public key as a secret": f"{part({'alg': 'HS256'})}.{claims}.{signature}",
        "other claims": f"{header}.{part(said | {'aud': 'lake'})}.{signature}",
        "another key": other.sign(replace(CLAIMS, request_id=said["request_id"])),
        "no token": "hello",
        "nothing between the dots": "..",
        "not ascii": "é.é.é",
    }


def _key() -> OKPKey:
    key = OKPKey.generate_key("Ed25519", private=True)
    key.ensure_kid()
    return key


def test_a_forged_token_is_refused_and_told_to_the_log(site: GateSite, approved: tuple[str, str]) -> None:
    """Whoever signed it, with whatever algorithm; the real one still works afterwards."""
    token, executor = approved
    forgeries = _forgeries(token)
    for name, forged in forgeries.items():
        answer = redeem(site, executor, forged)
        assert (answer.status_code, answer.json()["code"]) == (403, "token_forged"), name
        assert answer.json()["type"] == "urn:sluicegate:problem:token_forged"
    assert redeem(site, executor, token).status_code == 200
    told = [(event, detail) for event, _, detail in site.events()]
    assert told.count(("redemption refused", "token_forged")) == len(forgeries)


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ({"params": {"n": 2}}, "token_parameters"),
        ({"params": {"n": 1.0}}, "token_parameters"),
        ({"params": {"n": "1"}}, "token_parameters"),
        ({"params": {"n": 1, "m": None}}, "token_parameters"),
        ({"resource": "t2"}, "token_parameters"),
        ({"action": "db.drop"}, "token_parameters"),
        ({"environment": "prod"}, "token_parameters"),
        ({"audience": "lake"}, "token_audience"),
        ({"audience": "ocean"}, "audience"),
    ],
    ids=str,
)
def test_what_was_not_approved_is_refused(shared: GateSite, what: dict[str, Any], code: str) -> None:
    """Another action, resource, parameter, environment or executor than the approval is for; nothing is used up."""
    approval = shared.gate(f"a{id(what)}", audience="warehouse").submit("db.read", "t", {"n": 1}).told()
    assert isinstance(approval, Approval)
    executor = shared.token(f"e{id(what)}", "redeem", audiences=("warehouse", "lake"))
    answer = redeem(shared, executor, approval.token, **what)
    assert (answer.status_code, answer.json()["code"]) == (STATUS[Code(code)], code)
    assert redeem(shared, executor, approval.token).status_code == 200


def test_an_approval_that_was_not_used_in_time_is_refused(site: GateSite, approved: tuple[str, str]) -> None:
    """By the gate's clock, whatever the token says of itself; and its agent is told that it lapsed."""
    token, executor = approved
    site.late = 11 * 60_000
    answer = redeem(site, executor, token)
    assert (answer.status_code, answer.json()["code"]) == (403, "token_expired")
    assert site.events()[-1][0::2] == ("redemption refused", "token_expired")


def test_of_many_at_once_one_uses_an_approval(site: GateSite, approved: tuple[str, str]) -> None:
    """One conditional update decides."""
    token, executor = approved
    codes: list[int] = []
    threads = [
        threading.Thread(target=lambda: codes.append(redeem(site, executor, token).status_code)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [200] + [409] * 7


def test_an_answer_that_was_lost_is_given_again(site: GateSite, approved: tuple[str, str]) -> None:
    """Under the same idempotency key the executor that used it up is told so once more; any other is refused."""
    token, executor = approved
    send = {
        "json": {"token": token, **CALL},
        "headers": {"authorization": f"Bearer {executor}", "idempotency-key": "k"},
    }
    url = f"{site.http}/v1/tokens/redeem"
    first, again = (httpx.post(url, trust_env=False, **send) for _ in range(2))  # type: ignore[arg-type]
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert redeem(site, executor, token).json()["code"] == "token_redeemed"


def test_an_agent_uses_its_own_approvals_alone(site: GateSite) -> None:
    """Not those for an executor, and not those of another agent; a reader's token uses none."""
    agent = site.gate()
    mine = agent.submit("db.read", "t", {"n": 1}).told()
    theirs = agent.submit("db.read", "t", {"n": 1}, audience="warehouse").told()
    assert isinstance(mine, Approval)
    assert isinstance(theirs, Approval)
    with pytest.raises(TokenRejected) as rejected:
        agent.redeem(theirs.token, "db.read", "t", {"n": 1})
    assert rejected.value.code == "token_audience"
    with pytest.raises(TokenRejected):
        site.gate("other").redeem(mine.token, "db.read", "t", {"n": 1})
    assert redeem(site, site.token("reader", "read"), mine.token).json()["code"] == "scope"
    agent.redeem(mine.token, "db.read", "t", {"n": 1})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"action": "a", "action": "b"}',
        b'{"action": "a", "params": {"n": 1, "n": 2}}',
        b'{"action": "a", "params": {"n": NaN}}',
        b'{"action": "a", "params": [1]}',
        b'{"action": 5}',
        b'{"action": ""}',
        b'{"action": "a", "hunter2": "x"}',
        b'{"action": "a", "principals": [{"role": "boss", "issuer": "o", "subject": "s"}]}',
        b'{"action": "a", "params": ' + b'{"a":' * 400 + b"1" + b"}" * 400 + b"}",
    ],
    ids=lambda body: body[:40].decode("latin-1"),
)
def test_a_body_that_is_not_in_order_is_refused(shared: GateSite, body: bytes) -> None:
    """With a problem that repeats nothing of it."""
    answer = shared.post(shared.token(f"t{id(body)}"), "/gate/requests", content=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert "hunter2" not in answer.text


def test_only_machines_that_were_made_for_it_ask(site: GateSite) -> None:
    """A token for something else, a person, nobody: refused, before anything is judged."""
    assert site.post(site.token("reader", "read"), "/gate/requests", json=CALL).json()["code"] == "scope"
    assert site.post("sgm_nobody", "/gate/requests", json=CALL).status_code == 401
    made = site.server.service.store.identities.make_token("bare", frozenset({"gate"}), at=0, expires=2**60)
    assert made is not None
    assert site.post(made, "/gate/requests", json=CALL).json()["code"] == "principals"


def test_a_gate_that_is_gone_is_waited_for_and_then_fails_closed(site: GateSite) -> None:
    """The real service stops while an agent waits."""
    from sluicegate_client import Unavailable

    gate = site.gate(timeout=0.5)
    pending = gate.submit("db.export", "t", {"n": 1})
    site.server.service.stop()
    site.stop_listening()
    with pytest.raises(Unavailable, match="nothing was approved"):
        pending.wait(30)


# --- Tokens by themselves -----------------------------------------------------------------------------------


def test_a_token_is_verified_without_the_service() -> None:
    """By the published key alone: signature, time, audience, environment, and what it is for."""
    signer = Signer(_key(), "http://gate")
    token, keys = signer.sign(CLAIMS), signer.public()
    good: dict[str, Any] = {"action": "db.read", "resource": "t", "params": {}, "audience": "warehouse", "now": 1_500}
    grant = verify(token, keys, environment="prod", **good)
    assert (grant.request_id, grant.token_id, grant.agent) == ("req_1", "apr_1", "agent:etl-7")
    for change, code in (
        ({"params": {"n": 1}}, "token_parameters"),
        ({"environment": "dev"}, "token_parameters"),
        ({"audience": "lake"}, "token_audience"),
        ({"now": 2_031}, "token_expired"),
        ({"now": 900}, "token_expired"),
    ):
        with pytest.raises(TokenRejected) as rejected:
            verify(token, keys, **(good | change))
        assert rejected.value.code == code
    for forged in (*_forgeries(token).values(), Signer(_key(), "http://gate").sign(CLAIMS)):
        with pytest.raises(TokenRejected) as rejected:
            verify(forged, keys, **good)
        assert rejected.value.code == "token_forged"
    assert {"d"}.isdisjoint(keys["keys"][0])


def test_a_token_of_another_gate_or_of_another_kind_is_none() -> None:
    """The same key under another address, and what the key signed for another purpose."""
    key = _key()
    token = Signer(key, "http://one").sign(CLAIMS)
    with pytest.raises(Unfit):
        Signer(key, "http://two").read(token)
    assert Signer(key, "http://one").read(token) == CLAIMS
    assert repr(Signer(key, "http://one")) == "Signer()"


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"a": 1, "b": [1.5, True, None, "x"], "c": {"d": -0.0, "e": 10**40, "f": 1e300}},
        {"1": "#", "#": 1, ".": {"#": "1"}},
        {"\u00e4\u20ac\U0001f600": "\ud800 lone", "z": "\u2028", "y": "\x00\x7f"},
    ],
    ids=str,
)
def test_client_and_service_digest_alike(params: dict[str, Any]) -> None:
    """Whatever the parameters hold, as it travels."""
    sent = json.dumps(params).encode()
    ours = digest("a\u00e4", "r", parse(sent).last, salt="s")
    assert clients_digest("a\u00e4", "r", params, salt="s") == ours
    assert clients_digest("a\u00e4", "r", params, salt="t") != ours


def test_the_key_comes_from_a_file_or_the_environment(tmp_path: Path) -> None:
    """It is made when there is none, readable by its owner only; what is no such key is refused without being shown."""
    path = tmp_path / "state" / "gate.key"
    made = read_key(path, {})
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_key(path, {}).kid == made.kid
    assert read_key(tmp_path / "none", {"SLUICEGATE_GATE_KEY": path.read_text()}).kid == made.kid
    assert not (tmp_path / "none").exists()
    wrong: list[Callable[[], str]] = [
        lambda: "hunter2",
        lambda: OKPKey.generate_key("Ed448", private=True).as_pem(private=True).decode(),
        lambda: made.as_pem(private=False).decode(),
    ]
    for make in wrong:
        with pytest.raises(ConfigError, match="openssl genpkey") as error:
            read_key(path, {"SLUICEGATE_GATE_KEY": make()})
        assert "hunter2" not in str(error.value)
