"""The commands of a cluster, as far as they need none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.unit.cli.conftest import Command
from typer.testing import CliRunner

from atelierd.cli.app import app
from atelierd.cli.workbench import _device
from atelierd.errors import ConfigError

FACTS = {
    "threads": 8,
    "precision": "bf16",
    "gpus": [{"device": "cuda:0", "name": "one", "bytes": 1, "precision": "bf16"}],
}


def test_init_makes_a_folder_for_each_part_and_says_until_when(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["cluster", "init", str(tmp_path), "--host", "gpu1"])
    assert done.exit_code == 0, done.output
    assert "certificates made, good until" in done.stdout
    for role in ("scheduler", "worker", "daemon"):
        assert (tmp_path / role / "key.pem").exists()
    done = CliRunner().invoke(app, ["cluster", "init", str(tmp_path)])
    assert "renewed by" in done.stdout


@pytest.mark.parametrize(
    "words", [["--scheduler", "gpu1:8786"], ["--scheduler", "tcp://gpu1:8786"]]
)
def test_a_worker_goes_without_tls_only_in_so_many_words(
    command: Command, words: list[str]
) -> None:
    done = command("worker", *words)
    assert done.code == 2
    assert "expected tls://HOST:PORT, or tcp:// and --insecure" in " ".join(
        done.err.replace("│", " ").split()
    )


def test_packages_that_are_not_there_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "atelierd.cluster.certificates", None)
    done = CliRunner().invoke(app, ["cluster", "init", str(tmp_path)])
    assert isinstance(done.exception, ConfigError)
    assert "pip install 'atelierd[cluster]'" in str(done.exception)


def test_auto_takes_the_first_gpu_and_else_the_processor() -> None:
    assert _device(FACTS, "auto")["device"] == "cuda:0"
    assert _device(FACTS, "cpu")["name"] == "8 threads of the processor"
    assert _device({**FACTS, "gpus": []}, "auto")["device"] == "cpu"
    with pytest.raises(ConfigError, match="PyTorch finds 1 GPUs here"):
        _device(FACTS, "cuda:1")
