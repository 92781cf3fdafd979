"""The generated activity is the same for a seed, keeps to its shares, and knows all that it planted."""

import base64
import hashlib
import ipaddress
import itertools
import json
import random
import re
import statistics
import subprocess
import sys
import zlib
from collections import Counter, defaultdict
from pathlib import Path
from urllib.parse import unquote

import phonenumbers
import pytest
from stdnum import iban, luhn
from stdnum.us import ssn

from benchmarks.activity import (
    AGENTS,
    MAIL_DOMAIN,
    PRIVILEGED_ACTIONS,
    PRIVILEGED_FACTS,
    SHAPES,
    START,
    generate,
)
from benchmarks.activity.stories import STORIES
from benchmarks.activity.values import MAKERS, luhn_digit

SAMPLE = 20_000
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def sample():
    return list(generate(7, SAMPLE))


def values_by_kind(sample, kind):
    found = {value for one in sample for value, its in zip(one.planted, one.kinds, strict=True) if its == kind}
    assert found, f"no {kind} was planted"
    return found


def texts(node):
    """Every scalar and key of a document as text, with JSON, percent-encoding and base64 inside taken off."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield key
            yield from texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from texts(value)
    elif node is not None:
        text = str(node)
        yield text
        yield unquote(text)
        if text.startswith("{"):
            yield from texts(json.loads(text))
        if re.fullmatch(r"[A-Za-z0-9+/]{16,}={0,2}", text) and len(text) % 4 == 0:
            yield base64.b64decode(text).decode("latin-1")


def digest(count):
    return hashlib.sha256(b"\n".join(one.value for one in generate(3, count))).hexdigest()


def test_same_seed_same_records():
    """A seed gives the same records in every process, whatever its hash seed."""
    code = (
        "import hashlib; from benchmarks.activity import generate;"
        "print(hashlib.sha256(b'\\n'.join(a.value for a in generate(3, 500))).hexdigest())"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONHASHSEED": "99"}, cwd=ROOT, capture_output=True, check=True
    )
    assert ran.stdout.decode().strip() == digest(500)


def test_count_only_cuts():
    """Fewer records are the first of more; without a count there is no end."""
    assert list(generate(5, 30)) == list(generate(5, 300))[:30]
    assert list(itertools.islice(generate(5), 300)) == list(generate(5, 300))


def test_seeds_differ():
    """Another seed gives other records."""
    assert [one.value for one in generate(1, 20)] != [one.value for one in generate(2, 20)]


def test_leaves_the_shared_random_alone():
    """Nothing but the seed is used: the process's own random state stays as it was."""
    before = random.getstate()
    list(generate(1, 200))
    assert random.getstate() == before


@pytest.mark.parametrize(("sensitive", "privileged"), [(0.4, 0.01), (0.0, 0.0), (1.0, 0.01), (0.2, 0.1), (0.7, 0.5)])
def test_shares(sensitive, privileged):
    """The shares of sensitive and of privileged records are those that were asked for."""
    records = list(generate(11, SAMPLE, sensitive=sensitive, privileged=privileged))
    assert sum(bool(one.planted or one.identities) for one in records) / SAMPLE == pytest.approx(sensitive, abs=0.02)
    assert sum(one.privileged for one in records) / SAMPLE == pytest.approx(privileged, abs=0.002)


@pytest.mark.parametrize("shares", [{"sensitive": -0.1}, {"sensitive": 1.1}, {"privileged": 2}, {"count": -1}])
def test_bad_arguments(shares):
    """Shares outside 0 to 1 and negative counts are refused at once, not at the first record."""
    with pytest.raises(ValueError):  # noqa: PT011
        generate(1, **{"count": 5, **shares})


def test_each_record_is_json_of_its_session(sample):
    """Every value is one line of JSON; the key is the session's; time only goes forward."""
    last = START
    for one in sample:
        assert b"\n" not in one.value
        document = json.loads(one.value)
        assert isinstance(document, dict)
        assert document.get("session", one.key.decode()) == one.key.decode()
        assert one.timestamp > last
        last = one.timestamp
        assert one.shape in SHAPES


def test_the_whole_world_appears(sample):
    """Every shape, story, kind of sensitive value, agent and privileged action shows up."""
    assert {one.shape for one in sample} == set(SHAPES)
    assert {one.story for one in sample} == {story.name for story in STORIES}
    assert {kind for one in sample for kind in one.kinds} == {*MAKERS, "private_key"}
    proposals = [json.loads(one.value) for one in sample if one.shape == "proposal"]
    assert {document["actor"]["id"] for document in proposals} == {agent.id for agent in AGENTS.values()}
    assert {document["action"] for document in proposals} >= PRIVILEGED_ACTIONS
    assert {called(one) for one in sample} >= PRIVILEGED_FACTS


def test_proposal_has_the_documented_form(sample):
    """A proposal made for somebody names actor, owner and principal; its members stand in a fixed order."""
    one = next(one for one in sample if one.shape == "proposal" and one.privileged)
    document = json.loads(one.value)
    assert list(document) == [
        "ts",
        "session",
        "trace_id",
        "actor",
        "on_behalf_of",
        "action",
        "resource",
        "environment",
        "reason",
        "params",
    ]
    assert document["actor"]["type"] == "agent"
    assert set(one.identities) >= {document["actor"]["owner"], document["on_behalf_of"]}


def test_sizes(sample):
    """The median record has about 450 bytes, and no record is far from it."""
    sizes = [len(one.value) for one in sample]
    assert 400 <= statistics.median(sizes) <= 600
    assert min(sizes) > 250
    assert max(sizes) < 1000


def test_what_is_planted_is_there(sample):
    """Each planted value and each identity is in its record, once every encoding is taken off."""
    for one in sample[:4000]:
        if one.planted or one.identities:
            inside = "\n".join(texts(json.loads(one.value)))
            missing = [value for value in (*one.planted, *one.identities) if value not in inside]
            assert not missing, one.shape


SUSPICIOUS = re.compile(
    r"[\w.]+@[\w.]+|(?<![\w.])\d{1,3}(\.\d{1,3}){3}\b|\b(AKIA|ghp_|xoxb-|sk_live_|eyJ)|PRIVATE KEY|[Bb]earer"
    r"|//[^/\s]+:[^/\s]+@|PASSWORD|SECRET|TOKEN|\b\d{3}-\d{2}-\d{4}\b|\+\d{2}|\b[A-Z]{2}\d{2}[A-Z]{4}\d"
    r"|(?<![\w-])(\d[ -]?){13,}(?![\w-])"
)


def test_cold_records_have_nothing_to_find(sample):
    """A record without planted values holds nothing that looks like one."""
    for one in sample:
        if not (one.planted or one.identities):
            found = SUSPICIOUS.search(one.value.decode())
            assert not found, f"{one.shape}: {found and found.group()}"


def called(one):
    """The name of a fact, as `PRIVILEGED_FACTS` writes it."""
    document = json.loads(one.value)
    if one.shape == "cloudtrail":
        return document["eventName"]
    if one.shape == "kubernetes":
        target = document["objectRef"]
        return f"{document['verb']} {'/'.join(filter(None, (target['resource'], target.get('subresource'))))}"
    return None


def test_privileged_are_exactly_the_named_actions(sample):
    """A record is privileged exactly if its action, or what it says was called, is on the list."""
    for one in sample:
        if one.shape == "proposal":
            named = json.loads(one.value)["action"] in PRIVILEGED_ACTIONS
        else:
            named = called(one) in PRIVILEGED_FACTS
        assert one.privileged == named


def test_somebody_may_decide(sample):
    """No privileged proposal involves both ada and grace, the two reviewers of the demo."""
    for one in sample:
        if one.privileged and one.shape == "proposal":
            document = json.loads(one.value)
            involved = {document["actor"]["owner"], document["on_behalf_of"]}
            assert len(involved) == 2
            assert not involved >= {f"ada@{MAIL_DOMAIN}", f"grace@{MAIL_DOMAIN}"}


def test_retry_floods(sample):
    """Now and then the same privileged action is asked for again and again, at other times."""
    asked = defaultdict(list)
    for one in sample:
        if one.privileged and one.shape == "proposal":
            document = json.loads(one.value)
            asked[one.key, document["action"], json.dumps(document["params"])].append(document.pop("ts"))
    repeats = Counter(len(times) for times in asked.values())
    assert repeats[1] > 50
    assert max(repeats) >= 5
    assert all(len(set(times)) == len(times) for times in asked.values())


def test_cards_pass_luhn(sample):
    """Every card passes Luhn, in plain form and in groups; some are written as JSON numbers."""
    cards = values_by_kind(sample, "card")
    for card in cards:
        assert luhn.is_valid(re.sub("[ -]", "", card))
    assert any(re.search(rb'"match":\d{15,16}[,}]', one.value) for one in sample)


def test_luhn_digit_by_definition():
    """The check digit is the only one of ten that passes Luhn."""
    for body in ("4111111111111", "37144963539843", "0", "79927398713"):
        assert [d for d in "0123456789" if luhn.is_valid(body + d)] == [luhn_digit(body)]


def test_ibans_pass_mod_97(sample):
    """Every IBAN has the right length and check digits for its country."""
    for value in values_by_kind(sample, "iban"):
        assert iban.is_valid(value, check_country=False)


def test_other_checked_values(sample):
    """SSNs could be issued, phone numbers are valid, addresses parse, tokens have their checksums."""
    assert all(ssn.is_valid(value) for value in values_by_kind(sample, "ssn"))
    assert all(ipaddress.ip_address(value).is_global for value in values_by_kind(sample, "ip"))
    for value in values_by_kind(sample, "phone"):
        assert phonenumbers.is_valid_number(phonenumbers.parse(value, "US")), value
    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    for value in values_by_kind(sample, "github_token"):
        check = 0
        for character in value[-6:]:
            check = check * 62 + alphabet.index(character)
        assert check == zlib.crc32(value[4:-6].encode())
    for value in values_by_kind(sample, "jwt"):
        header, claims, _ = value.split(".")
        assert json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))["alg"] == "HS256"
        assert json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sub"].startswith("usr_")


def test_values_are_made_not_stored(sample):
    """Sensitive values hardly ever repeat, except where an agent loops."""
    for kind in ("email", "phone", "card", "iban", "jwt", "aws_key", "password"):
        seen = [value for one in sample for value, its in zip(one.planted, one.kinds, strict=True) if its == kind]
        assert len(set(seen)) > 0.6 * len(seen), kind
