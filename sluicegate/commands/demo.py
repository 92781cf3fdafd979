"""`sluicegate demo`: the whole system on this machine, with sample agents."""

from __future__ import annotations

from pathlib import Path

import click

DEFAULT_SEED = 3


@click.command()
@click.option("--once", is_flag=True, help="A finite stream, checked and summed up; no page, no waiting.")
@click.option("--port", default=8787, show_default=True, type=click.IntRange(1, 65535), help="Of the reviewer's page.")
@click.option(
    "--rate", default=300, show_default=True, type=click.IntRange(1, 3000), help="Records a second, on average."
)
@click.option(
    "--dir",
    "path",
    default=".demo",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where everything is written. It is emptied at each start.",
)
@click.option("--keep", is_flag=True, help="Go on with what the last demo left in the folder.")
@click.option("--seed", default=DEFAULT_SEED, show_default=True, type=click.IntRange(0), help="Of the sample agents.")
def demo(*, once: bool, port: int, rate: int, path: Path, keep: bool, seed: int) -> None:
    """Run everything here: agents, engine and the reviewer's page, on a log in one file.

    The agents, and each secret in what they write, are made up. With --once the demo decides by itself,
    shows what came of it, and exits with 1 if a check fails.

    \b
    Examples:
      sluicegate demo
      sluicegate demo --once
      sluicegate demo --port 9000 --rate 50
    """
    from rich.console import Console

    from sluicegate.demo.folder import Folder
    from sluicegate.demo.live import run_live
    from sluicegate.demo.parts import check_port

    console = Console(highlight=False, emoji=False)
    folder = Folder(path)
    if once:
        if keep:
            raise click.UsageError(
                "--once counts its own records only, so it cannot go on with others: leave out --keep"
            )
        from sluicegate.demo.once import run_once

        with folder.opened(keep=False):
            run_once(folder, console, seed=seed)
        return
    check_port(port)
    with folder.opened(keep=keep):
        run_live(folder, console, port=port, rate=rate, seed=seed)
