"""The shipped catalogue: every rule does what its examples say, in every form in which a record may hold them."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest

from detectors.catalogue import load_rules, shipped_files
from detectors.check import Report, check_files
from detectors.compiled import Budget, CompiledRule
from detectors.errors import BudgetExceeded
from detectors.explain import explain
from detectors.finding import Text, resolve
from detectors.patterns import PatternDetector
from detectors.proof import raw_forms
from detectors.rule import Rule

RULES = load_rules(*shipped_files())
IDS = {rule.id: number for number, rule in enumerate(RULES)}


@cache
def detector() -> PatternDetector:
    """All rules at work."""
    return PatternDetector(RULES)


def entities(text: str, key: str = "") -> list[tuple[str, str]]:
    """What the whole catalogue finds in a text, overlaps resolved: (entity, what it covers)."""
    value = text.encode()
    found = resolve(detector().scan([Text(value, key.encode())])[0])
    return [(f.entity, value[f.start : f.end].decode()) for f in found]


@pytest.fixture(scope="module")
def report() -> Report:
    """What `sluicegate rules check` finds."""
    return check_files(shipped_files())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_rule_keeps_its_promises(rule: Rule, report: Report) -> None:
    """Examples are found with the marked spans, counter-examples are silent, known misses are missed."""
    assert [str(failure) for failure in report.failures if failure.rule_id == rule.id] == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_rule_proves_its_point(rule: Rule) -> None:
    """Each rule cites a source, and has two examples and two near misses or more."""
    assert all(reference.startswith("https://") for reference in rule.references)
    assert len(rule.examples) >= 2
    assert len(rule.counter_examples) >= 2


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_joint_gate_sees_raw_records(rule: Rule) -> None:
    """The gate of all rules together names the rule on its examples, as plain text, in JSON, in JSON in JSON."""
    for example in rule.examples:
        for form, raw in raw_forms(example).items():
            assert IDS[rule.id] in detector().gate.hits(raw), f"silent on {example.text} {form}"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_example_stays_covered_among_all_rules(rule: Rule) -> None:
    """With all rules at work, each example's secret is covered by the findings that win."""
    for example in rule.examples:
        found = resolve(detector().scan([Text(example.plain, example.key.encode())])[0])
        for start, end in example.spans:
            assert any(f.start <= start and end <= f.end for f in found), example.text


def test_page_of_the_catalogue_is_true() -> None:
    """Each family stands in the docs with its number of rules."""
    page = (Path(__file__).parents[2] / "docs" / "catalogue.md").read_text(encoding="utf-8")
    told = {name: int(count) for name, count in re.findall(r"^\| ([a-z-]+) \| (\d+) \|", page, re.MULTILINE)}
    assert told == Counter(rule.family for rule in RULES)


def test_ids_are_unique_and_files_sound(report: Report) -> None:
    """The catalogue passes the check that `sluicegate rules check` runs, as a whole: each rule with its examples."""
    assert [str(failure) for failure in report.failures] == []
    assert report.rules == len(RULES) >= 300
    assert report.examples == sum(len(rule.examples) for rule in RULES)
    assert report.counter_examples == sum(len(rule.counter_examples) for rule in RULES)
    assert report.known_misses == sum(len(rule.known_misses) for rule in RULES)


ORDINARY = [
    '{"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7","duration_ms":12.5}',
    '{"id":"c1b2a3d4-5e6f-4a7b-8c9d-0e1f2a3b4c5d","ts":1767312000123456,"ok":true}',
    '{"model":"m-2","max_tokens":4096,"token_count":1532,"token_type":"bearer","stop_token":"</s>"}',
    '{"nextPageToken":"CAoQAhoMCPjE7LkGEIC8v8cC","pageSize":50}',
    "commit 9fceb02d0ae598e95dc970b74767f19372d61af8 (HEAD -> main, tag: v1.2.3)",
    "pulled image registry.example.com/app@sha256:" + "0123456789abcdef" * 4,
    'lodash@^4.17.21: resolved "https://registry.example.org/lodash/-/lodash-4.17.21.tgz#679591c564c3bffaae8454cf0b3df370c3d6911c"',
    "integrity sha512-v2kDEe57lecTulaDIuNTPy3Ry4gLGJ6Z1O3vE1krgXZNrsQ+LFTGHVxVjcXPs17LhbZVGedAJv8XZ1tvj5FvSg==",
    "2026-01-02T03:04:05.678+0100 INFO [main] c.e.App - started in 3.21 s (JVM 17.0.9+9)",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
    "Failed password for invalid user admin from port 22 ssh2",
    "for token in tokens: assert token.type == TokenType.NUMBER, token_value",
    "password = get_password(user); secret_key = os.environ['SECRET_KEY']",
    "std::vector<int>::iterator it = v.begin(); // 12:30:45 Foo::Bar::baz2",
    "listening on 0.0.0.0:8080 and [::1]:8080, mask 255.255.255.0",
    "blk_-1608999687919862906 terminating; blk_4343207286455274569 size 67108864",
    "PASSWORD=${DB_PASSWORD} TOKEN=<your-token> API_KEY=xxxxxxxxxxxx SECRET=********",
    "arn:aws:iam::123456789012:role/service-role/reader order 1234-5678-9012 build 20260102.3",
    "git@github.com:org/repo.git actions/checkout@v4 @types/node@20.1.0 icon@2x.png",
    "@@ -12,7 +12,7 @@ def test_token(): +1 -1",
    'version="1.2.3.4" tag v2.10.0.1 ratio 0.4111111111111111',
    "summary: pass=12 fail=0 skip=3, PASS: 12 FAIL: 0",
    "order 4111111111111111 and job #5555555555554444 are queued",
    "lib 1.2.3.4 replaces lib 1.2.3.3",
    "type ab::cd implements dead::beef",
    "part 212-555-0187, order number 415-555-0132",
    "MAX_PASSWORD_LENGTH: 64, password_min_score=3, tokens: 512, pin 13 HIGH",
]


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_logs_stay_as_they_are(text: str) -> None:
    """Identifiers, digests, versions, timestamps, code and placeholders are no findings of any rule."""
    assert entities(text) == []


LEAKS = [  # (text, key, what must be covered)
    ("passwort=Blaubeere7 ok", "", "Blaubeere7"),
    ('contraseña: "girasol"', "", "girasol"),
    ("mot de passe : tournesol!9", "", "tournesol!9"),
    ("login?user=ana&senha=girassol9", "", "girassol9"),
    ("PW=tulip77 ./run", "", "tulip77"),
    ("s3cr3t", "secret", "s3cr3t"),
    ("<db><password>tulip</password></db>", "", "tulip"),
    ("CREATE USER a IDENTIFIED BY 'tulip';", "", "tulip"),
    ("Your verification code is 482913", "", "482913"),
    ("4711", "pin", "4711"),
    ("Cookie: lang=en; a=q8Zr2LmX0vTn5KyB7cWd; b=H4jP9sEf6GuA1oRi3NtC", "", "H4jP9sEf6GuA1oRi3NtC"),
    ('mail "jane doe"@example.com now', "", '"jane doe"@example.com'),
    ("an jörg.müller@example.de", "", "jörg.müller@example.de"),
    ("an kontakt@bücher.example", "", "kontakt@bücher.example"),
    ("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x", "", "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x"),
    ("pul-d1e2f3a4b5c6d7e8f9a0b1c2d3e4f5a6b7c8d9e0f", "", "pul-d1e2f3a4b5c6d7e8f9a0b1c2d3e4f5a6b7c8d9e0f"),
    ("4111111111111111", "amount_source", "4111111111111111"),
    ("{user:bob,password:hunter22}", "", "hunter22"),
]


@pytest.mark.parametrize(("text", "key", "secret"), LEAKS)
def test_nothing_of_it_leaks(text: str, key: str, secret: str) -> None:
    """Passwords in other languages, short secrets, codes, odd addresses: covered from the first to the last byte."""
    assert any(secret in covered for _, covered in entities(text, key))


def test_closing_brace_is_no_part_of_a_password() -> None:
    """What closes the structure around a value without quotes stays."""
    assert entities("{user:bob,password:hunter22}")[-1] == ("PASSWORD", "hunter22")
    assert entities("password: x}") == []


HOSTILE = {
    "dots": ".",
    "digits": "1",
    "digits and dots": "1.",
    "at signs": "a@",
    "spaces": " ",
    "quotes": "password='",
    "colons": "1:",
    "hex pairs": "ab:",
    "capitals": "A",
    "names": "key=",
    "open keys": '"secret": "',
    "options": " --password ",
    "schemes": "://a:",
}
SIZE = 100_000  # bytes
PART = 8
ODDS = 24.0  # so many times the time of a part: a line takes 8 times as long, and noise; a square takes 64 times
FLOOR = 0.02  # seconds, below which nobody waits
TRIES = 3  # another process may get in between, but never makes a line of a square


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_read_in_linear_time(name: str) -> None:
    """Every pattern is searched through long runs of what it begins with; matches stay apart and inside.

    Eight times the text takes about eight times the processor time, and what is checked further is counted.
    """
    text = (HOSTILE[name] * SIZE).encode()[:SIZE]
    for compiled in detector().rules:
        at = 0
        for start, end in compiled.spans(text):
            assert at <= start <= end <= len(text), compiled.rule.id
            at = end
        assert any(_is_linear(compiled, text) for _ in range(TRIES)), compiled.rule.id


def _is_linear(rule: CompiledRule, text: bytes) -> bool:
    return _seconds(rule, text) <= max(FLOOR, ODDS * _seconds(rule, text[: SIZE // PART]))


def _seconds(rule: CompiledRule, text: bytes) -> float:
    """Processor time to look for the rule in ``text``, candidates and their checks included."""
    started = time.process_time()
    with suppress(BudgetExceeded):
        rule.findings(Text(text), Budget())
    return time.process_time() - started


def test_what_is_checked_in_a_text_is_counted() -> None:
    """Ten thousands of candidates are over the budget, whatever the rules make of them."""
    with pytest.raises(BudgetExceeded):
        detector().scan([Text(b"ssn 123-45-6789, " * 30_000)])


def test_version_under_its_own_key_is_no_address() -> None:
    """Four numbers with dots are an address, unless the key says that they are a version."""
    assert entities("10.20.30.40", key="engineVersion") == []
    assert entities("10.20.30.40", key="peer") == [("IP_ADDRESS", "10.20.30.40")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://app:s3cr3t-pw@db.example.com/x", [("USERNAME", "app"), ("URL_PASSWORD", "s3cr3t-pw")]),
        ("card 4111111111111111 cvv 123", [("CREDIT_CARD", "4111111111111111"), ("CARD_VERIFICATION_CODE", "123")]),
        ("ssn 536-22-6780 dob 03/14/1985", [("US_SSN", "536-22-6780"), ("DATE_OF_BIRTH", "03/14/1985")]),
        ("mail a@x.example,b@y.example", [("EMAIL_ADDRESS", "a@x.example"), ("EMAIL_ADDRESS", "b@y.example")]),
        ("up: 203.0.113.7 203.0.113.8", [("IP_ADDRESS", "203.0.113.7"), ("IP_ADDRESS", "203.0.113.8")]),
    ],
)
def test_only_the_secret_is_covered(text: str, expected: list[tuple[str, str]]) -> None:
    """What stands around a secret stays readable; neighbours are found one by one."""
    assert entities(text) == expected


@pytest.mark.parametrize("serial", range(1, 10_000, 37))
def test_ssn_rule_knows_every_serial(serial: int) -> None:
    """No serial number from 0001 to 9999 is missed."""
    text = f"ssn 536-22-{serial:04}"
    assert entities(text) == [("US_SSN", text[4:])]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("token_type", "a1b2c3d4e5f6g7h8"),
        ("password_length", "12"),
        ("secret_name", "prod-db-7f3a9c"),
        ("name", "Jane Doe"),
    ],
)
def test_fields_about_secrets_are_no_secrets(key: str, value: str) -> None:
    """A field that describes a secret, or is only called `name`, is left alone."""
    assert entities(value, key=key) == []


def test_multi_line_private_key_is_one_finding() -> None:
    """A PEM key is covered from its first to its last line, with real or with escaped line breaks."""
    body = "\n".join("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7" for _ in range(8))
    key = f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----"
    for form in (key, key.replace("\n", "\\n")):
        assert entities(f"key={form} done") == [("PRIVATE_KEY", form)]


def test_explain_says_who_won_and_why_others_lost() -> None:
    """Each candidate is confirmed or refused with a reason, and one of those that overlap wins."""
    value = b"card 4111111111111112 or https://u:p4ssw0rd@h.example.com?token=x"
    (explanation,) = explain(detector(), [Text(value)])
    verdicts = {c.rule_id: (c.refused, c.won) for c in explanation.candidates}
    assert verdicts["credit-card-number"] == ("fails credit_card", False)
    assert verdicts["url-password"] == (None, True)
    assert {"credit-card-number", "url-password"} <= set(explanation.gated)
    assert [f.rule_id for f in explanation.findings] == ["url-password"]


def test_explain_never_fails_on_silence() -> None:
    """A text without candidates has an explanation, an empty one."""
    (explanation,) = explain(detector(), [Text(b"nothing here")])
    assert explanation.candidates == explanation.findings == ()


RULE = """\
family: mine
rules:
  - id: {id}
    name: n
    entity: THING
    pattern: '{pattern}'
    score: 0.5
    references: ['https://example.com']
    examples: ['{example}']
    counter_examples: ['{counter}']
"""


def written(tmp_path: Path, **changes: str) -> Path:
    values = {"id": "thing", "pattern": "thing-[0-9]{4}", "example": "a «thing-1234»", "counter": "thing-12", **changes}
    path = tmp_path / "mine.yaml"
    path.write_text(RULE.format(**values), encoding="utf-8")
    return path


def test_check_passes_a_sound_rule(tmp_path: Path) -> None:
    """A rule that keeps its promises is counted and has no failure."""
    report = check_files([written(tmp_path)])
    assert (report.rules, report.examples, report.counter_examples, report.failures) == (1, 1, 1, [])


@pytest.mark.parametrize(
    ("changes", "line", "problem"),
    [
        ({"example": "a «thing-12»34"}, 9, "expected bytes 2 to 10, found bytes 2 to 12"),
        ({"example": "«thing-x»"}, 9, "expected bytes 0 to 7, found nothing"),
        ({"counter": "thing-12345"}, 10, "must be silent, but bytes 0 to 10 was found"),
        ({"pattern": "(?=x)thing"}, 6, "pattern"),
        ({"example": "no marks"}, 9, "marks nothing"),
        ({"id": "Thing"}, 3, "id"),
    ],
)
def test_check_names_file_line_and_problem(tmp_path: Path, changes: dict[str, str], line: int, problem: str) -> None:
    """Each failure points at the line that is wrong."""
    path = written(tmp_path, **changes)
    failures = check_files([path]).failures
    assert {(f.file, f.line) for f in failures} == {(str(path), line)}
    assert problem in failures[0].problem


def test_check_finds_ids_used_twice(tmp_path: Path) -> None:
    """An id may be used once over all files."""
    first = written(tmp_path)
    second = tmp_path / "other.yaml"
    second.write_text(first.read_text(encoding="utf-8"), encoding="utf-8")
    (failure,) = check_files([first, second]).failures
    assert failure.file == str(second)
    assert "already used" in failure.problem


def test_raw_forms_are_json_at_every_depth() -> None:
    """The forms that the gate is tried on are what a record would hold."""
    forms = raw_forms(RULES[0].examples[0])
    assert json.loads(forms["in JSON"])["message"] == RULES[0].examples[0].plain.decode()
