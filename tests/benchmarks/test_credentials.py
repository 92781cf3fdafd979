"""Which labelled spans count as credentials."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.quality import rows
from benchmarks.quality.credentials import no_credential
from benchmarks.quality.labels import Labels
from benchmarks.quality.scoring import Result, Score


@pytest.mark.parametrize(
    ("marked", "reason"),
    [
        ("postgresql://user:«tulip7»@db.example.com/x", None),
        ("postgresql://user:tulip7@«db.example.com:5433»/x", "host"),
        ("AUTH0_DOMAIN='«dev-1.us.auth0.com»'", "host"),
        ("AUTH0_CLIENT_ID='«oCloQt7XYc1HFas3gSBtYAcekWY25MlF»'", "identifier"),
        ("AUTH0_CLIENT_SECRET='«oCloQt7XYc1HFas3gSBtYAcekWY25MlF»'", None),
        ("aws_account_id=«123456789012»", "identifier"),
        ("AccountName=«store1»;AccountKey=x", "user name"),
        ("machine h login «mira» password x", "user name"),
        ("username: «mira»", "user name"),
        ("password: «mira»", None),
        ('<add key="«FromEmailPassword»" value="x"/>', "attribute"),
        ("-Password «$password» -x", "reference"),
        ("hash «$1$OKgLCmVl$d02jECa4DXn/oXX0R.MoQ/»", None),
        ("key=«aaaaaaaaaaaaaaaaaaaaaaaa»", "placeholder"),
        ("password '«password»'", "placeholder"),
        ("arn:«aws:s3:::bucket/*»", "resource"),
        ("to «age1" + "q8z7r2lm9x" * 5 + "abcdefgh" + "»", "public key"),
    ],
)
def test_hosts_ids_names_and_placeholders_are_no_credentials(marked: str, reason: str | None) -> None:
    """Told by the value and by what stands around it."""
    start, end = marked.index("«"), marked.index("»") - 1
    assert no_credential(marked.replace("«", "").replace("»", ""), start, end) == reason


def test_what_is_no_credential_is_counted_apart(tmp_path: Path) -> None:
    """Neither as found nor as missed."""
    text = "user: mira, key 9c1f04d6e2b87a35"
    path = tmp_path / "set.ndjson"
    path.write_text(json.dumps({"text": text, "spans": [[6, 10, "a"], [16, 32, "a"]]}) + "\n")
    score = Score(Labels(), credentials=True)
    [row] = rows.read(path).rows
    score.add(row, Result("user: mira, key [KEY]"))
    assert (score.total.spans, score.total.clean, score.left_out) == (1, 1, {"user name": 1})


def test_what_another_row_labels_in_the_same_text_is_no_loss(tmp_path: Path) -> None:
    """A set may give a text with two secrets as two rows of one label each."""
    text = "A=9c1f04d6e2b87a35 B=77aa04d6e2b87a35"
    path = tmp_path / "set.ndjson"
    path.write_text(
        "".join(json.dumps({"text": text, "spans": [span]}) + "\n" for span in ([2, 18, "a"], [21, 37, "b"]))
    )
    score = Score(Labels())
    for row in rows.read(path).rows:
        score.add(row, Result("A=[KEY] B=[KEY]"))
    assert (score.total.spans, score.total.clean) == (2, 2)
