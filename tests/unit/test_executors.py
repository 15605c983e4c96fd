from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from atelierd.clustersettings import ClusterSettings
from atelierd.dispatch.pool import LocalFleet
from atelierd.errors import ConfigError
from atelierd.executors import open_fleet
from atelierd.render.resident import EngineOptions
from atelierd.settings import Settings

#: What a daemon with `executor: local` must not load.
PROGRAM = """
import sys
import atelierd.executors, atelierd.service, atelierd.cli.app
print(sorted({"distributed", "dask", "cryptography", "torch"} & set(sys.modules)))
"""


def settings(tmp_path: Path, **more: object) -> Settings:
    return Settings.model_validate(
        {"inbox": tmp_path / "in", "outbox": tmp_path / "out", "state": tmp_path / "s", **more}
    )


def test_without_a_word_renders_stay_on_this_machine(tmp_path: Path) -> None:
    fleet = open_fleet(settings(tmp_path), EngineOptions(tmp_path), lambda: None)
    assert isinstance(fleet, LocalFleet)


def test_a_daemon_without_a_cluster_loads_nothing_of_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_cluster_without_its_certificates_does_not_start(tmp_path: Path) -> None:
    cluster = ClusterSettings(certificates=tmp_path)
    told = settings(tmp_path, executor="dask://127.0.0.1:8786", cluster=cluster)
    with pytest.raises(ConfigError, match="atelierd cluster init"):
        open_fleet(told, EngineOptions(tmp_path), lambda: None)


def test_a_cluster_whose_packages_are_not_there_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("atelierd.cluster.link", "atelierd.cluster.fleet", "distributed"):
        monkeypatch.setitem(sys.modules, name, None)
    told = settings(tmp_path, executor="dask://127.0.0.1:8786", cluster={"insecure": True})
    with pytest.raises(ConfigError, match=r"pip install 'atelierd\[cluster\]'"):
        open_fleet(told, EngineOptions(tmp_path), lambda: None)
