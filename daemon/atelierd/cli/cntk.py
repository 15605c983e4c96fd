"""`atelierd cntk`: real CNTK 2.7 in an interpreter of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atelierd.cli.configuration import ConfigOption, surroundings
from atelierd.cli.terminal import plain, say, stderr, stdout

app = typer.Typer(help="CNTK 2.7, the original engine.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    pass


@app.command()
def install(
    python: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="A CPython 3.6; left out, python3.6 or one of pyenv's.",
            show_default=False,
        ),
    ] = None,
    gpu: Annotated[bool, typer.Option("--gpu", help="The build for NVIDIA GPUs, 560 MB.")] = False,
    config: ConfigOption = None,
) -> None:
    """Install CNTK 2.7 into the state folder, pinned and hash-checked, and prove that it computes.

    For jobs with `engine: cntk`; every other job does without it.
    """
    from atelierd.engines.cntk import install as cntk

    console = stderr()
    installation = cntk.install(
        surroundings(config).state,
        python,
        gpu,
        lambda line: say(console, plain(line, 2_000, "dim")),
    )
    say(stdout(), plain(str(installation.folder), 4_096))
