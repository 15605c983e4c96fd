"""`atelierd weights`: the networks' numbers, fetched, listed and looked at."""

from __future__ import annotations

import logging
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atelierd.cli import words
from atelierd.cli.configuration import ConfigOption, surroundings
from atelierd.cli.options import JsonOption
from atelierd.cli.terminal import grid, plain, say, say_json, say_table, stderr, stdout
from atelierd.errors import WeightsError
from atelierd.exits import Exit

if TYPE_CHECKING:
    from atelierd.weights.network import Network
    from atelierd.weights.store import WeightStore


class NetworkName(StrEnum):
    """The networks there are; typer takes no list of literals."""

    VGG16 = "vgg16"
    VGG19 = "vgg19"


app = typer.Typer(help="The networks' weights: fetch, list, check.", no_args_is_help=True)


@app.command()
def fetch(
    networks: Annotated[
        list[NetworkName] | None,
        typer.Argument(metavar="[NETWORK]...", help="vgg16, the default, or vgg19."),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Fetch weights, verify them, and keep them; those that are here are only verified.

    Sources are asked in turn: the configuration's own, then the public ones. A download that is
    cut off goes on where it was.
    """
    store = surroundings(config).weight_store
    for name in networks or [NetworkName.VGG16]:
        path = _fetch(store, name.value)
        say(stdout(), plain(f"{name}: {path}", 4_096))


@app.command("list")
def list_weights(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Say which weights are here and where they came from."""
    from atelierd.weights.formats.canonical import read_metadata
    from atelierd.weights.network import NETWORKS

    store = surroundings(config).weight_store
    table = grid("network", "size", "source", "license", "file")
    found: list[dict[str, Any]] = []
    for network in NETWORKS:
        path = store.find(network)
        if path is None:
            table.add_row(network, "-", f"not here; atelierd weights fetch {network}")
            found.append({"network": network, "file": None})
            continue
        facts = read_metadata(path)
        size = path.stat().st_size
        found.append({"network": network, "file": str(path), "size": size, **facts})
        table.add_row(
            network,
            words.size(size),
            plain(facts.get("source", "unknown")),
            plain(facts.get("license", "unknown")),
            plain(str(path), 4_096),
        )
    if as_json:
        say_json(found)
    else:
        say_table(stdout(), table)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="Weights of any known format.")],
    as_json: JsonOption = False,
) -> None:
    """Say what a file of weights is: network, format, convention, and whose numbers."""
    from atelierd.weights.catalog import OXFORD_VGG16_SHA256
    from atelierd.weights.reader import load_weights

    try:
        weights = load_weights(file)
    except WeightsError as error:
        # Not that weights cannot be had: what was looked at is wrong.
        typer.echo(f"atelierd: {error}", err=True)
        raise typer.Exit(Exit.FAILED) from error
    is_oxford = weights.sha256 == OXFORD_VGG16_SHA256
    if as_json:
        say_json(
            {
                "network": weights.network,
                "found": weights.origin,
                "sha256": weights.sha256,
                "is_oxford_vgg16": is_oxford,
            }
        )
        return
    table = grid("", "")
    table.add_row("network", weights.network)
    table.add_row("found", plain(weights.origin, 1_000))
    table.add_row("numbers", f"SHA-256 {weights.sha256}")
    if is_oxford:
        table.add_row("", "the Oxford VGG16, number by number")
    say_table(stdout(), table)


def ensure_weights(store: WeightStore, network: Network) -> None:
    """Fetch a network's weights if they are not here, showing it. Raises WeightsError."""
    if store.find(network) is None:
        _fetch(store, network)


def _fetch(store: WeightStore, network: Network) -> Path:
    from atelierd.cli.logs import ConsoleHandler, log_to
    from atelierd.cli.progress import download_progress

    console = stderr()
    log_to(ConsoleHandler(console), logging.WARNING)
    with download_progress(console) as progress:
        return store.fetch(network, progress)
