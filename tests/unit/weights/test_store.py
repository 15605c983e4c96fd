"""The store keeps one verified file per network and gets it from the first source that has it."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from atelierd.errors import WeightsError
from atelierd.weights.catalog import SOURCES, TORCHVISION, Download, LocalFile, Package, Source
from atelierd.weights.network import Network, Weights
from atelierd.weights.reader import file_sha256, load_weights
from atelierd.weights.store import WeightStore

UNREACHABLE = Download("Somebody's VGG16", "http://127.0.0.1:1/vgg16.h5")


def unheard(title: str, done: int, total: int | None) -> None:
    pass


def store(folder: Path, *sources: Source) -> WeightStore:
    catalog: dict[Network, tuple[Source, ...]] = {"vgg16": sources, "vgg19": sources}
    return WeightStore(folder, {}, catalog)


def metadata(path: Path) -> dict[str, str]:
    with safe_open(path, framework="numpy") as file:
        return dict(file.metadata())


def test_a_fetched_network_is_found_with_its_origin_and_license(
    vgg16: Weights, vgg16_file: Path, scratch: Path
) -> None:
    weights = store(scratch / "new" / "folder", LocalFile("A file", vgg16_file))
    assert weights.find("vgg16") is None
    path = weights.fetch("vgg16", unheard)
    assert weights.find("vgg16") == path == scratch / "new" / "folder" / "vgg16.safetensors"
    assert weights.find("vgg19") is None
    loaded = load_weights(path)
    assert (loaded.sha256, loaded.origin) == (vgg16.sha256, "A file: made up")
    kept = metadata(path)
    assert kept["source_sha256"] == file_sha256(vgg16_file)
    assert kept["license"] == "unknown"
    assert {entry.name for entry in path.parent.iterdir()} == {path.name, "fetch.lock"}


def test_a_network_that_is_here_is_not_fetched_again(vgg16_file: Path, scratch: Path) -> None:
    path = store(scratch, LocalFile("A file", vgg16_file)).fetch("vgg16", unheard)
    assert store(scratch).fetch("vgg16", unheard) == path


@pytest.mark.parametrize("size", [100, 30_000_000, None], ids=["head", "half", "one byte"])
def test_a_damaged_file_is_fetched_again(
    vgg16: Weights, vgg16_file: Path, scratch: Path, size: int | None
) -> None:
    weights = store(scratch, LocalFile("A file", vgg16_file))
    path = weights.fetch("vgg16", unheard)
    with path.open("r+b") as file:
        if size is None:
            file.seek(40_000_000)
            file.write(b"\x55")
        else:
            file.truncate(size)
    with pytest.raises(WeightsError, match=r"vgg16\.safetensors"):
        load_weights(path)
    assert load_weights(weights.fetch("vgg16", unheard)).sha256 == vgg16.sha256


def test_sources_are_asked_in_order_and_the_configured_one_first(
    vgg16_file: Path, scratch: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    configured: dict[Network, str] = {"vgg16": "http://me:secret@127.0.0.1:1/mine.h5?token=x"}
    catalog: dict[Network, tuple[Source, ...]] = {
        "vgg16": (UNREACHABLE, LocalFile("A file", vgg16_file))
    }
    path = WeightStore(scratch, configured, catalog).fetch("vgg16", unheard)
    assert [message for message in caplog.messages if message.startswith("fetching")] == [
        "fetching vgg16: the configured http://127.0.0.1:1/mine.h5",
        "fetching vgg16: Somebody's VGG16",
        "fetching vgg16: A file",
    ]
    assert metadata(path)["source"] == "A file"
    assert "secret" not in caplog.text + str(metadata(path))
    assert "token" not in caplog.text + str(metadata(path))


def test_another_configured_source_takes_the_place_of_what_is_here(
    vgg16: Weights, vgg16_file: Path, scratch: Path
) -> None:
    store(scratch, LocalFile("A file", vgg16_file)).fetch("vgg16", unheard)
    configured = WeightStore(scratch, {"vgg16": str(vgg16_file)}, {"vgg16": ()})
    assert configured.find("vgg16") is None
    path = configured.fetch("vgg16", unheard)
    assert load_weights(path).origin == f"the configured {vgg16_file}: made up"
    assert configured.find("vgg16") == path


def test_when_no_source_answers_each_is_named_with_its_own_reason(
    vgg16_file: Path, scratch: Path
) -> None:
    pinned = replace(LocalFile("Another file", vgg16_file), numbers_sha256="0" * 64)
    weights = store(scratch, UNREACHABLE, LocalFile("A file", scratch / "none"), pinned)
    with pytest.raises(WeightsError) as caught:
        weights.fetch("vgg16", unheard)
    lines = str(caught.value).splitlines()
    assert lines[:3] == [
        "No source gave the weights of vgg16:",
        "  Somebody's VGG16: it refuses connections or cannot be reached",
        "  A file: there is no such file",
    ]
    assert lines[3].startswith("  Another file: its numbers have SHA-256 ")
    assert lines[3].endswith(f", expected {'0' * 64}")
    assert "Name a file or URL of your own in the configuration" in lines[4]


def test_what_another_machine_has_is_advised_as_it_can_be_used(
    vgg16_file: Path, scratch: Path
) -> None:
    there = store(scratch / "there", LocalFile("A file", vgg16_file)).fetch("vgg16", unheard)
    here = store(scratch / "here")
    with pytest.raises(WeightsError, match=rf"or bring {scratch / 'here'}/vgg16\.safetensors"):
        here.fetch("vgg16", unheard)
    shutil.copy(there, scratch / "here" / "vgg16.safetensors")
    assert here.fetch("vgg16", unheard) == scratch / "here" / "vgg16.safetensors"

    # Put into the folder, it would not count as the configured source.
    def configured(location: Path) -> WeightStore:
        return WeightStore(scratch / "here", {"vgg16": str(location)}, {"vgg16": ()})

    with pytest.raises(WeightsError, match=r"or name vgg16\.safetensors there"):
        configured(scratch / "gone.h5").fetch("vgg16", unheard)
    assert configured(there).fetch("vgg16", unheard) == scratch / "here" / "vgg16.safetensors"


def test_another_network_than_the_one_asked_for_is_refused(vgg16_file: Path, scratch: Path) -> None:
    with pytest.raises(WeightsError, match="A file: it is a vgg16, not a vgg19"):
        store(scratch, LocalFile("A file", vgg16_file)).fetch("vgg19", unheard)


def test_another_training_than_oxfords_is_announced(
    vgg16_file: Path, scratch: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = LocalFile("torchvision's VGG16", vgg16_file, rights=TORCHVISION)
    path = store(scratch, source).fetch("vgg16", unheard)
    assert "torchvision's VGG16 is another training than Oxford's" in caplog.text
    assert metadata(path)["license"] == "BSD-3-Clause"


def test_a_folder_that_cannot_be_written_is_named(vgg16_file: Path, scratch: Path) -> None:
    (scratch / "file").touch()
    weights = store(scratch / "file", LocalFile("A file", vgg16_file))
    with pytest.raises(WeightsError, match="file: the weights cannot be stored here: "):
        weights.fetch("vgg16", unheard)


def test_leftovers_of_killed_fetches_are_removed(vgg16_file: Path, scratch: Path) -> None:
    (scratch / ".atelierd-tmp-abc-vgg16.safetensors").touch()
    (scratch / ".atelierd-tmp-wheel").mkdir()
    (scratch / ".atelierd-tmp-wheel" / "some.whl").touch()
    store(scratch, LocalFile("A file", vgg16_file)).fetch("vgg16", unheard)
    assert {path.name for path in scratch.iterdir()} == {"vgg16.safetensors", "fetch.lock"}


class CountingHandler(SimpleHTTPRequestHandler):
    asked: list[str]

    def __init__(self, *args: object, asked: list[str], **more: object) -> None:
        self.asked = asked
        super().__init__(*args, **more)  # type: ignore[arg-type]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        self.asked.append(self.path)


def test_two_processes_that_fetch_at_once_download_once(
    vgg16: Weights, vgg16_file: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    asked: list[str] = []
    handler = partial(CountingHandler, directory=str(vgg16_file.parent), asked=asked)
    program = (
        "import pathlib, sys\n"
        "from atelierd.weights.store import WeightStore\n"
        "store = WeightStore(pathlib.Path(sys.argv[1]), {'vgg16': sys.argv[2]}, {'vgg16': ()})\n"
        "print(store.fetch('vgg16', lambda *_: None))\n"
    )
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}/{vgg16_file.name}"
        command = [sys.executable, "-c", program, str(scratch), url]
        processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        printed = [process.communicate(timeout=120)[0] for process in processes]
        server.shutdown()
        thread.join()
    assert printed == [f"{scratch / 'vgg16.safetensors'}\n"] * 2
    assert asked == [f"/{vgg16_file.name}"]
    assert load_weights(scratch / "vgg16.safetensors").sha256 == vgg16.sha256


@pytest.mark.parametrize("network", ["vgg16", "vgg19"])
def test_another_training_is_asked_for_last_and_everything_is_pinned(network: Network) -> None:
    sources = SOURCES[network]
    assert [source.rights is TORCHVISION for source in sources] == (
        [False] * (len(sources) - 1) + [True]
    )
    for source in sources:
        assert isinstance(source, Package) or (
            isinstance(source, Download) and (source.digest or source.numbers_sha256)
        )


@pytest.mark.weights
def test_the_real_vgg16_is_oxfords(real_vgg16: Weights) -> None:
    first = real_vgg16.convolutions[0]
    assert first.kernels[0, 0, 0, 0] == np.float32(0.42947057)
    assert first.bias[0] == np.float32(0.73429835)
    assert len(real_vgg16.convolutions) == 13


@pytest.mark.weights
def test_the_real_vgg19_resembles_the_vgg16_that_it_grew_from(
    real_vgg16: Weights, real_vgg19: Weights
) -> None:
    """Both were trained from the same shallower network, so their first two blocks are alike."""
    assert len(real_vgg19.convolutions) == 16
    for ours, theirs in list(zip(real_vgg19.convolutions, real_vgg16.convolutions, strict=False))[
        :4
    ]:
        assert np.corrcoef(ours.kernels.ravel(), theirs.kernels.ravel())[0, 1] > 0.85
        assert ours.kernels.std() == pytest.approx(theirs.kernels.std(), rel=0.1)
    assert all(len(np.unique(layer.kernels)) <= 256 for layer in real_vgg19.convolutions) or (
        "Keras" in real_vgg19.origin
    )
