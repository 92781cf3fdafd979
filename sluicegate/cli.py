"""The `sluicegate` command: an umbrella whose commands are loaded when they are used."""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from detectors.errors import ConfigError, SluicegateError

COMMANDS = {
    "sanitize": ("sluicegate.commands.sanitize", "A filter: logs in, clean logs out, line by line."),
    "reveal": ("sluicegate.commands.reveal", "What tokens stand for, for holders of the key; each use is logged."),
    "run": ("sluicegate.commands.run", "The stream processor."),
    "sample": ("sluicegate.commands.sample", "Made-up activity of agents, written to the log at a rate."),
    "topics": ("sluicegate.commands.topics", "Topics: create what is missing, check what is there."),
    "demo": ("sluicegate.commands.demo", "The whole system on this machine, with sample agents."),
    "approvals": ("sluicegate.commands.approvals", "The reviewer service, and what reviewers do."),
    "gate": ("sluicegate.commands.gate", "Ask before a command runs, and run it once it is approved."),
    "rules": ("sluicegate.commands.rules", "The detection rules: list, check, explain."),
    "policy": ("sluicegate.commands.policy", "Policies: check, describe, show what was in force."),
    "bench": ("sluicegate.commands.bench", "Measure speed, latency, growth, quality and memory on this machine."),
}
"""Each command's module, which holds it under its own name, and what it is in one line."""


class Umbrella(click.Group):
    """Finds a command's module by its name, so that ``--help`` does not load the engine."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order in which one meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command called so."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(COMMANDS[cmd_name][0]), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, what) for name, (_, what) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; what Sluicegate raises on purpose becomes one line on stderr."""
        try:
            return super().invoke(ctx)
        except SluicegateError as error:
            if ctx.params.get("debug"):
                raise
            click.echo(f"sluicegate: {error}", err=True)
            sys.exit(2 if isinstance(error, ConfigError) else 1)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except OSError as error:
            if ctx.params.get("debug"):
                raise
            click.echo(f"sluicegate: {error.filename or 'output'}: {(error.strerror or 'failed').lower()}", err=True)
            # What is still buffered cannot be written either; trying at exit would say so again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            # A traceback shows messages and source lines, and these may hold what a record held.
            click.echo(f"sluicegate: {_told(error)}; --debug shows the traceback", err=True)
            sys.exit(1)


def _told(error: Exception) -> str:
    """The kind of an error that nobody foresaw, and where it was raised."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"internal error: {type(error).__name__} in {Path(place.filename).name}, line {place.lineno}"


@click.group(cls=Umbrella, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="sluicegate", message="sluicegate %(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug: bool) -> None:  # Umbrella.invoke reads it
    """Redact activity logs in flight, and hold privileged actions until a person has decided.

    \b
    Try it:
      echo '{"user": "jane@example.com"}' | sluicegate sanitize
      sluicegate demo
    """
