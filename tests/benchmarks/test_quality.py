"""Quality is told from what went in and what came out: alignment, leaks, labels, figures, and the command."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.quality.alignment import edits
from benchmarks.quality.labels import LabelFile, Labels, label_of, words
from benchmarks.quality.leaks import readings
from benchmarks.quality.rows import Labelled, read
from benchmarks.quality.scoring import Result, Score
from detectors.errors import ConfigError

# -- rows


def written(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_rows_tell_their_kind_by_their_spans(tmp_path: Path) -> None:
    """Unless they say it; empty lines are passed over, and counted."""
    path = tmp_path / "rows.ndjson"
    path.write_text(
        '{"text": "a b", "spans": [[0, 1, "X"]]}\n\n{"text": "a", "spans": []}\n{"text": "a"}\n'
        '{"text": "a", "kind": "negative", "label": "Y", "spans": null}\n'
    )
    rows = read(path).rows
    assert [(row.line, row.kind, row.label) for row in rows] == [
        (1, "positive", ""),
        (3, "negative", ""),
        (4, "raw", ""),
        (5, "negative", "Y"),
    ]
    assert rows[0].spans == ((0, 1, "X"),)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("{", "line 2 is not JSON"),
        ("[]", 'line 2 has no "text"'),
        ('{"text": 5}', 'line 2 has no "text"'),
        ('{"text": "abc", "spans": [[0, 4, "X"]]}', "line 2 has spans"),
        ('{"text": "abc", "spans": [[1, 1, "X"]]}', "line 2 has spans"),
        ('{"text": "abc", "spans": ["X"]}', "line 2 has spans"),
        ('{"text": "abc", "kind": "odd"}', "line 2 has a kind that is none of positive, negative, raw"),
    ],
)
def test_a_bad_row_is_named_by_its_line(tmp_path: Path, line: str, what: str) -> None:
    """And by what is wrong, without its text."""
    path = tmp_path / "rows.ndjson"
    path.write_text('{"text": "fine"}\n' + line + "\n")
    with pytest.raises(ConfigError, match=re.escape(what)) as raised:
        read(path)
    assert "abc" not in str(raised.value)


def test_a_sample_is_the_same_for_a_seed_and_in_order(tmp_path: Path) -> None:
    """Each row keeps its line."""
    path = written(tmp_path / "rows.ndjson", *({"text": str(n)} for n in range(50)))
    rows = read(path, sample=10, seed=3).rows
    assert rows == read(path, sample=10, seed=3).rows
    assert len(rows) == 10
    assert [row.line for row in rows] == sorted(row.line for row in rows)
    assert all(int(row.text) == row.line - 1 for row in rows)


# -- alignment


@given(
    st.lists(st.tuples(st.text('ab =:"{}\n.', max_size=12), st.from_regex(r"[0-9]{4,9}", fullmatch=True)), max_size=6),
    st.text("ab =:", max_size=10),
)
def test_replaced_values_are_found_again(parts: list[tuple[str, str]], end: str) -> None:
    """Whatever stands around them, as long as it is not digits; and the edits make the output of the input."""
    before = "".join(text + value for text, value in parts) + end
    after = "".join(text + "[US_SSN]" for text, _ in parts) + end
    found = edits(before, after)
    rebuilt, at = "", 0
    for start, stop, new in found:
        rebuilt += before[at:start] + new
        at = stop
    assert rebuilt + before[at:] == after
    covered = {n for start, stop, _ in found for n in range(start, stop)}
    digits = {n for n, letter in enumerate(before) if letter.isdigit()}
    assert digits <= covered


@pytest.mark.parametrize(
    ("before", "after", "replaced"),
    [
        ("same", "same", []),
        ("key=abc123;", "key=[API_KEY];", ["abc123"]),
        ("mail joe@x.org or ann@x.org now", "mail [EMAIL] or [EMAIL] now", ["joe@x.org", "ann@x.org"]),
        ("from 10.0.0.1 (host10.0.0.1.net)", "from [IP] (host10.0.0.1.net)", ["10.0.0.1"]),
        ("pass: hunter2", "pass: ", ["hunter2"]),
        ("card 4111111111111111 ok", "card ************1111 ok", ["411111111111"]),
        ("[INFO b] user bob in", "[INFO b] user [USER] in", ["bob"]),
        ("a%20joe%40x.org b c d e f", "a%20%5BEMAIL%5D b c d e f", ["joe%40x.org"]),
        ("name: Ann Lee, Ann Lee", "name: [PERSON], Ann Lee", ["Ann Lee"]),
    ],
)
def test_each_replacement_is_seen_as_it_was_made(before: str, after: str, replaced: list[str]) -> None:
    """Trimmed by what stays, in one piece, at the right one of two places that read alike."""
    assert [before[start:end] for start, end, _ in edits(before, after)] == replaced


def test_long_texts_are_aligned_too() -> None:
    """Thirty thousand tokens with some hundred replacements; by words alone, too."""
    before = " ".join(f"field{n}=value{n * 7919}" for n in range(5000))
    after = re.sub(r"(field\d+0=)value\d+", r"\1[SECRET]", before)
    found = edits(before, after)
    assert len(found) == 499
    assert all(before[start:end].startswith("value") and new == "[SECRET]" for start, end, new in found)
    bare = re.sub(r"(field\d+0=)value\d+", r"\1gone", before)
    assert [before[start:end] for start, end, _ in edits(before, bare)] == [before[e.start : e.end] for e in found]


# -- leaks

VALUE = "jane.doe@example.org"


@pytest.mark.parametrize(
    "text",
    [
        f"plain {VALUE}",
        f"percent {VALUE.replace('@', '%40')}",
        f"every letter {''.join(f'%{ord(c):02X}' for c in VALUE)}",
        f"twice {quote(quote(VALUE, safe=''), safe='')}",
        "unicode jane.doe\\u0040example.org",
        "in a string in a string jane.doe\\\\u0040example.org",
        f"base64 {base64.b64encode(f'user {VALUE} here'.encode()).decode()}",
        f"base64url {base64.urlsafe_b64encode(f'??>{VALUE}'.encode()).decode().rstrip('=')}",
        f"hex {VALUE.encode().hex()}",
        f"base64 of percent {base64.b64encode(quote(VALUE, safe='').encode()).decode()}",
        "entities jane.doe&#64;example.org",
        "quoted-printable jane.doe=40example.org",
        "wide ｊａｎｅ.doe＠example.org",
        "invisible jane\u200b.doe@exam\u00adple.org",
    ],
)
def test_a_value_is_read_in_each_encoding(text: str) -> None:
    """That a reader could undo."""
    assert any(VALUE in one for one in readings(text))


def test_what_is_gone_is_not_read() -> None:
    """Nor is half of it."""
    assert not any(VALUE in one for one in readings("mail [EMAIL_ADDRESS] jane.doe%40 example.org"))


# -- labels


@pytest.mark.parametrize(
    ("label", "tool"),
    [
        ("isIBAN", "IBAN_CODE"),
        ("credit-card", "CREDIT_CARD"),
        ("CARD_NUMBER", "creditcard"),
        ("phone", "PHONE_NUMBER"),
        ("mailto", "mailto"),
        ("social_security", "US_SSN"),
    ],
)
def test_labels_agree_by_a_telling_word(label: str, tool: str) -> None:
    """However they are written."""
    assert Labels().agree(label, tool)


def test_words_that_tell_nothing_make_no_agreement() -> None:
    """An API key of one provider is not that of another."""
    assert not Labels().agree("stripe-api-key", "OPENAI_API_KEY")
    assert words("api-key") == frozenset()


def test_a_labels_file_wins() -> None:
    """It names what means the same, and families."""
    labels = Labels(LabelFile(same={"nummer": ["credit_card"]}, families={"money": ["nummer"]}))
    assert labels.agree("nummer", "CREDIT_CARD")
    assert not labels.agree("nummer", "nummer")
    assert labels.family("nummer") == "money"
    assert labels.family("CREDIT_CARD") == "financial"
    assert labels.family("np.unheard-of") == "other"


@pytest.mark.parametrize(
    ("new", "label"),
    [("[EMAIL_ADDRESS]", "EMAIL_ADDRESS"), ("{{EMAIL}}", "EMAIL"), ("****", None), ("[redacted]", None), ("", None)],
)
def test_a_tools_label_is_what_it_writes(new: str, label: str | None) -> None:
    """Where it writes one."""
    assert label_of(new) == label


# -- figures


def scored(*rows: tuple[Labelled, str | None], labels: Labels | None = None, secrets: bool = False) -> Score:
    score = Score(labels or Labels(), secrets=secrets)
    for row, output in rows:
        score.add(row, Result(output, ("some-rule",)))
    return score


def positive(marked: str, line: int = 1) -> Labelled:
    """A row from a text in which «label:value» marks what is to be found."""
    text, spans = "", []
    for plain, label, value in re.findall(r"([^«]*)(?:«(\w+):([^»]*)»)?", marked):
        text += plain
        if label:
            spans.append((len(text), len(text) + len(value), label))
            text += value
    return Labelled(line, text, "positive", "", tuple(spans))


def test_what_is_found_counts_by_how_well() -> None:
    """Exactly, touched, and by a label that means the same; what is replaced for nothing costs precision."""
    row = positive("mail «EMAIL:joe@x.org», ssn «SSN:536-22-6780», «PERSON:Ann Lee Poe», id 77")
    found = scored((row, "mail [EMAIL_ADDRESS], ssn [PHONE], [PERSON] Poe, id [NUMBER]")).as_json()
    assert found["overlapping"] == {"precision": 0.75, "recall": 1.0, "f1": 0.8571}
    assert found["exact"] == {"precision": 0.5, "recall": 0.6667, "f1": 0.5714}
    assert found["typed"] == {"precision": 0.5, "recall": 0.6667, "f1": 0.5714}
    assert found["clean"] == pytest.approx(2 / 3, abs=1e-4)  # the name is covered by two thirds
    assert found["leaked"] == 0
    assert found["entities"]["SSN"]["typed"]["recall"] == 0
    assert found["entities"]["EMAIL"]["exact"]["f1"] == 1
    assert {"personal", "identity"} <= found[
        "families"
    ].keys()  # EMAIL is no key of a mail service, SSN no social network


def test_a_value_that_can_still_be_read_has_leaked() -> None:
    """As it stands, elsewhere in an encoding, and where nothing was found at all."""
    encoded = base64.b64encode(b"mail jane.doe@example.org").decode()
    row = positive(f"mail «EMAIL:jane.doe@example.org» raw «BLOB:{encoded}»")
    assert scored((row, f"mail [EMAIL] raw {encoded}")).total.leaked == 2
    assert scored((row, "mail [EMAIL] raw [BLOB]")).total.leaked == 0
    score = scored((row, row.text))
    assert score.total.leaked == 2
    assert [one.trouble for one in score.offenders] == ["missed", "missed"]


def test_a_value_that_also_stands_elsewhere_by_nature_has_not_leaked() -> None:
    """The text around the values held it before."""
    row = positive("user example, host «HOST:example» here")
    assert scored((row, "user example, host [HOST] here")).total.leaked == 0


def test_blanking_a_message_hides_nothing_cleanly() -> None:
    """More than a fifth of the text outside is lost."""
    row = positive("a long message about many things, with password «SECRET:hunter2hunter2» in it")
    score = scored((row, "[REDACTED]"))
    assert (score.total.clean, score.total.leaked, score.total.overlapping) == (0, 0, 1)
    assert [one.trouble for one in score.offenders] == ["harmed"]
    assert scored((row, row.text.replace("hunter2hunter2", "[SECRET]"))).total.clean == 1


def test_half_a_value_is_not_clean() -> None:
    """Eighty percent of its letters and digits have to go."""
    row = positive("card «CARD:4111-1111-1111-1111»")
    assert scored((row, "card ****-****-****-1111")).total.clean == 0
    assert scored((row, "card ****-****-****-*111")).total.clean == 1


def test_labels_that_do_not_count_cost_nothing() -> None:
    """Neither missed nor as a wrong replacement."""
    row = positive("«PERSON:Ann Lee» mail «EMAIL:joe@x.org»")
    labels = Labels(LabelFile(ignore=["PERSON"]))
    for output in ("Ann Lee mail [EMAIL]", "[PERSON] mail [EMAIL]"):
        found = scored((row, output), labels=labels).as_json()
        assert (found["spans"], found["overlapping"]["f1"]) == (1, 1.0)


def test_of_an_assignment_only_the_secret_counts_if_asked() -> None:
    """Scanners mark it whole; what is short is no secret. What they mark is never harm."""
    row = positive('env «S:DB_PASSWORD="correct horse"» «S:https://bob:tr0ub4dor@db/x» «S:key=abc»')
    output = 'env DB_PASSWORD="[P]" https://bob:[P]@db/x key=abc'
    assert scored((positive('«S:TOKEN="correcthorse"» end'), 'TOKEN="[P]" end'), secrets=True).total.clean == 1
    assert scored((row, output)).total.clean == 0
    assert scored((row, output), secrets=True).total.spans == 2 + ("key=abc" in row.text)


def test_negatives_and_raw_lines_are_counted_apart() -> None:
    """A raw line may lose an address or a phone number that is there, and nothing else."""
    negative = Labelled(1, "sha 0123456789abcdef", "negative", "hash", None)
    lines = {
        "from 10.1.2.3:80": True,
        "from fe80::1ff:fe23:4567:890a%eth0": True,
        "mac 00:1b:44:11:3a:b7": True,
        "to joe@x.org": True,
        "call +1 212 555 0134": True,
        "at 12:30:45 sharp": False,
        "version 1.2.3.999": False,
        "row 1234567890": False,
    }
    raws = [
        (Labelled(n, text, "raw", "", None), "[X]".join((text.split(" ")[0] + " ", "")))
        for n, text in enumerate(lines, 2)
    ]
    score = scored((negative, "sha [SECRET]"), *raws)
    found = score.as_json()
    assert (found["negatives"], found["negatives_changed"]) == (1, 1.0)
    assert found["raw_changed_per_10k"] == 10_000
    alarms = [
        lines[next(row.text for row, _ in raws if row.line == one.line)]
        for one in score.offenders
        if one.trouble == "alarm"
    ]
    assert alarms == [False, False, False]
    assert score.alarms == 3


def test_lost_rows_are_counted_and_nothing_else_of_them() -> None:
    """A tool that crashes on a row has not found it."""
    score = scored((positive("mail «EMAIL:joe@x.org»"), None))
    assert (score.lost, score.total.spans) == (1, 0)


# -- the command


def quality(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sluicegate", "bench", "quality", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """A small set of our own."""
    mail, card = "write to jane.doe@example.org", "card 4111 1111 1111 1111 on file"
    return written(
        tmp_path / "set.ndjson",
        {"text": mail, "spans": [[9, 29, "EMAIL_ADDRESS"]]},
        {"text": card, "spans": [[5, 24, "CREDIT_CARD"]]},
        {"text": "the passphrase is swordfishes", "spans": [[18, 29, "PASSWORD"]]},
        {"text": "trace 4bf92f3577b34da6a3ce929d0e0e4736", "kind": "negative", "label": "secret"},
        {"text": "worker 7 started from 10.2.3.4", "kind": "raw"},
    )


def test_the_figures_of_a_set_as_json(labelled: Path) -> None:
    """Ours, by name; the peers that are not asked for are not there."""
    done = quality(labelled, "--json")
    assert done.returncode == 0, done.stderr
    [found] = json.loads(done.stdout)["sets"]
    figures: dict[str, Any] = found["tools"]["sluicegate"]
    assert found["tools"].keys() == {"sluicegate"}
    assert (figures["rows"], figures["spans"], figures["lost"]) == (5, 3, 0)
    assert figures["entities"]["EMAIL_ADDRESS"]["typed"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0}
    assert figures["families"]["financial"]["exact"]["recall"] == 1.0
    assert figures["negatives_changed"] == 0
    assert figures["false_alarms_per_10k"] == 0


def test_offenders_are_named_and_their_text_only_if_asked_for(labelled: Path) -> None:
    """File, line and offsets are enough to look them up."""
    plain, shown = quality(labelled), quality(labelled, "--show-text", "--by", "family")
    assert f"{labelled}:3 at 18-29 PASSWORD" in plain.stdout
    assert "swordfishes" not in plain.stdout
    assert "«swordfishes»" in shown.stdout
    assert "sluicegate by family" in shown.stdout


def test_the_page_stands_for_itself(labelled: Path, tmp_path: Path) -> None:
    """Plots, figures, method, machine and command; no script, no address to fetch from, none of the texts."""
    done = quality(labelled, "--html", tmp_path / "page.html")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "page.html").read_text()
    ElementTree.fromstring(
        page.replace("<!doctype html>", "").replace('<meta charset="utf-8">', "").replace('scale=1">', 'scale=1"/>')
    )
    assert page.count("<svg") == 4
    assert "CREDIT_CARD" in page
    assert "bench quality" in page
    assert "hyperscan" in page
    assert not re.search(r"<script|<link|src=|href=.[^#]|url\(|@import", page)
    assert "swordfishes" not in page
    assert "jane" not in page


def test_a_page_that_cannot_be_written_is_said_at_once(labelled: Path, tmp_path: Path) -> None:
    """Before anything is measured."""
    done = quality(labelled, "--html", tmp_path / "none" / "page.html")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "page.html" in done.stderr
    assert done.stdout == ""


def test_a_file_that_cannot_be_read_leaves_the_others(labelled: Path, tmp_path: Path) -> None:
    """It is named, and the exit code says so."""
    done = quality(tmp_path / "none.ndjson", labelled)
    assert done.returncode == 1
    assert done.stderr == f"sluicegate: {tmp_path / 'none.ndjson'}: cannot be read: no such file or directory\n"
    assert "set: 5 rows, 3 labelled values" in done.stdout


def test_a_labels_file_with_an_unknown_key_is_refused(labelled: Path, tmp_path: Path) -> None:
    """By file, line and key."""
    (tmp_path / "labels.yaml").write_text("same: {}\nfamilie: {}\n")
    done = quality(labelled, "--labels", tmp_path / "labels.yaml")
    assert done.returncode == 2
    assert "labels.yaml" in done.stderr
    assert "familie" in done.stderr


def test_persons_are_measured_by_command(tmp_path: Path) -> None:
    """With the gate, without it and without the cache, by exact spans, rows that name people by their keys apart."""
    texts = (
        "Thanks, «PERSON:Priya Raman», the keys are at the desk.",
        "assigned to «PERSON:Tomasz Zielinski» and «PERSON:Grace Okafor»",
        "ticket 4711 was closed by the night shift",
        '{"first_name": "«PERSON:Ayşe»", "city": "Bursa"}',
    )
    rows = [{"text": row.text, "spans": row.spans} for row in map(positive, texts)]
    raw = {"text": "Connection from 192.0.2.7 closed", "kind": "raw"}
    done = quality("--ner", "--json", written(tmp_path / "people.ndjson", *rows, raw))
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["model"].startswith("sluicegate-")
    tools = {one["tool"]: one for one in document["names"]}
    for name in ("sluicegate", "sluicegate without its gate", "sluicegate without its cache"):
        persons, bare = tools[name]["persons"], tools[name]["without_named_keys"]
        assert (persons["spans"], bare["spans"]) == (4, 3)
        assert persons["exact"] == persons["overlapping"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0}
        assert (tools[name]["raw"], tools[name]["person_alarms_per_10k"]) == (1, 0.0)
