"""The option that says which database the reviewer service uses: a file, or a PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


class Database(click.ParamType[Path | str]):
    """A path, or text with ``://`` in it, which is a URL."""

    name = "path or URL"

    def convert(self, value: Any, _param: click.Parameter | None, _ctx: click.Context | None) -> Path | str:
        """A `Path`, or the URL as it is written."""
        if isinstance(value, Path) or "://" in value:
            return value
        return Path(str(value))


def database_option(what: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Adds ``--database``; ``what`` says what it is for."""
    return click.option(
        "--database",
        type=Database(),
        envvar="SLUICEGATE_DATABASE",
        show_envvar=True,
        help=f"{what}: a file, or postgresql://user@host/name.  "
        "[default: approvals.db in the state_dir of the configuration]",
    )
