"""The README tells the truth."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from detectors.rule import Rule
from engine.config import ConfigFile, load_config
from engine.outcomes import QUARANTINE_REASONS
from engine.policy import load_policy
from sluicegate.cli import COMMANDS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def console_blocks() -> list[tuple[str, str]]:
    """Each command in a console block of the README, with the output that it shows."""
    text = (ROOT / "README.md").read_text()
    out = []
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            out.append((command, shown))
    return out


@pytest.mark.parametrize(("command", "shown"), console_blocks())
def test_what_the_readme_shows_is_what_comes_out(command: str, shown: str) -> None:
    """To the letter."""
    program = (
        command.replace("sluicegate", f"{sys.executable} -m sluicegate", 1)
        if command.startswith("sluicegate")
        else command
    )
    done = subprocess.run(program, shell=True, cwd=ROOT, capture_output=True, check=True)
    assert done.stdout.decode() == shown


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_leads_somewhere(page: Path) -> None:
    """Files and images that a page names are there."""
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_command_that_a_page_names_exists(page: Path) -> None:
    """``sluicegate x y`` in a page is a command with help."""
    named = set(re.findall(r"sluicegate ([a-z-]+(?: [a-z-]+)?)", page.read_text()))
    groups = {"approvals", "rules", "policy", "topics", "bench"}

    for words in named:
        first, *rest = words.split()
        if first in COMMANDS:
            arguments = [first, *rest] if first in groups and rest else [first]
            done = subprocess.run(
                [sys.executable, "-m", "sluicegate", *arguments, "--help"], capture_output=True, check=False
            )
            assert done.returncode == 0, words


def test_make_has_the_two_commands() -> None:
    """The README's first promise."""
    if shutil.which("make") is None:
        pytest.fail("make is needed")
    for target in ("demo", "test"):
        subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)


def yaml_blocks(page: str) -> list[str]:
    """The YAML blocks of a page of docs."""
    return re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)


def test_the_policy_in_the_docs_is_one(tmp_path: Path) -> None:
    """With its rule file, as shown."""
    policy, rules, exempted, reviews = yaml_blocks("policy.md")
    (tmp_path / "our-rules.yaml").write_text(rules + exempted)
    (tmp_path / "policy.yaml").write_text(policy)
    loaded = load_policy(tmp_path / "policy.yaml", environ={"SLUICEGATE_KEY": "0123456789abcdef"})
    assert "ACME_KEY" in loaded.entities
    (tmp_path / "reviews.yaml").write_text(reviews)
    assert len(load_policy(tmp_path / "reviews.yaml").reviews.entries) == 3


def test_the_configuration_in_the_docs_is_one(tmp_path: Path) -> None:
    """As shown."""
    [config, *_] = yaml_blocks("deployer.md")
    (tmp_path / "sluicegate.yaml").write_text(config)
    assert [topic.sanitized for topic in load_config(tmp_path / "sluicegate.yaml").file.topics] == [
        "activity.sanitized"
    ]


@pytest.mark.parametrize("example", [block for block in yaml_blocks("deployer.md") if "kafka:" in block])
def test_the_examples_for_kafka_are_some(tmp_path: Path, example: str) -> None:
    """Put into the configuration of the same page, each can be used, its secrets once they are where it says."""
    base = "".join(yaml_blocks("deployer.md")[0].splitlines(keepends=True)[1:])
    (tmp_path / "sluicegate.yaml").write_text(example + base)
    (tmp_path / "engine.key.password").write_text("secret\n")
    settings = load_config(tmp_path / "sluicegate.yaml").kafka_settings({"KAFKA_PASSWORD": "secret"})
    assert "secret" in settings.values()
    assert settings["ssl.ca.location"] == str(tmp_path / "ca.pem")


def test_each_configuration_key_is_documented() -> None:
    """A key that nobody can find is not there."""
    text = (ROOT / "docs" / "deployer.md").read_text()
    assert [key for key in ConfigFile.model_fields if f"`{key}`" not in text] == []


def test_each_reason_for_quarantine_is_documented() -> None:
    """An operator who meets one looks it up."""
    text = (ROOT / "docs" / "deployer.md").read_text()
    assert [reason for reason in QUARANTINE_REASONS if f"`{reason}`" not in text] == []


def test_each_key_of_a_rule_is_documented() -> None:
    """In the page on rules."""
    text = (ROOT / "docs" / "policy.md").read_text()
    assert [key for key in Rule.model_fields if key not in text and key not in ("family", "name")] == []
