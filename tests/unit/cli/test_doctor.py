from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atelierd.cli import devices
from atelierd.cli.devices import NoTorchError
from atelierd.errors import ConfigError
from atelierd.events import Event
from atelierd.exits import Exit
from atelierd.ledger import Ledger
from atelierd.notify.post import receivers_of
from atelierd.settings import read_settings

Command = Callable[..., Any]

FACTS: dict[str, Any] = {
    "version": "2.13.0",
    "cuda": None,
    "threads": 2,
    "capability": "AVX512",
    "precision": "bf16",
    "gpus": [],
}
GPU = {"device": "cuda:0", "name": "H200", "bytes": 150 * 10**9, "precision": "bf16"}


@pytest.fixture
def facts(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What PyTorch is said to find; importing it takes seconds."""
    found = dict(FACTS)
    monkeypatch.setattr("atelierd.cli.doctor_machine.torch_facts", lambda: found)
    return found


@pytest.fixture
def share(command: Command, facts: dict[str, Any], tmp_path: Path) -> Path:
    """A share with a configuration in the current folder."""
    command("init", "share", "--state", "state")
    (tmp_path / "state").mkdir()
    return tmp_path / "share"


def told(command: Command, *arguments: str) -> dict[str, tuple[str, str]]:
    """Return level and text by topic."""
    found = json.loads(command("doctor", "--json", *arguments).out)
    return {one["topic"]: (one["level"], one["text"]) for one in found}


def test_a_machine_in_order_exits_with_0(
    command: Command, share: Path, random_weights: Path, tmp_path: Path
) -> None:
    config = tmp_path / "atelierd.yaml"
    config.write_text(f"{config.read_text()}\nweights: {{folder: {random_weights}}}\n")
    Ledger.open(tmp_path / "state" / "ledger.sqlite").close()
    outcome = command("doctor")
    assert outcome.code == 0
    assert {line.split()[0] for line in outcome.out.splitlines()} == {"ok"}
    assert "no jobs; no daemon is running" in outcome.out
    assert str(random_weights / "vgg16.safetensors") in outcome.out
    # It has looked whether it can write, and left nothing behind.
    assert [path.name for path in (share / "inbox").iterdir()] == [".atelierd-share"]


def test_without_a_configuration_it_tells_of_the_machine(
    command: Command, facts: dict[str, Any]
) -> None:
    outcome = command("doctor")
    assert outcome.code == 0
    assert "atelierd init DIR" in outcome.out
    assert "atelierd weights fetch vgg16" in outcome.out
    assert "2.13.0; on the processor AVX512, 2 threads, fast in bf16" in outcome.out


def test_a_broken_configuration_does_not_end_the_examination(
    command: Command, facts: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "atelierd.yaml").write_text("inbox: a\nstate: b\nbogus: 1\n")
    found = told(command)
    assert found["configuration"][0] == "fail"
    assert "line 3, bogus: unknown key" in found["configuration"][1]
    assert found["torch"][0] == "ok"
    assert command("doctor").code == Exit.FAILED


def test_a_share_that_is_not_mounted_is_wrong(command: Command, share: Path) -> None:
    (share / "outbox" / ".atelierd-share").unlink()
    found = told(command)
    assert found["inbox"][0] == "ok"
    assert found["outbox"][0] == "fail"
    assert "is the share mounted?" in found["outbox"][1]
    assert command("doctor").code == Exit.FAILED


def test_a_share_that_does_not_answer_is_not_waited_for(
    command: Command, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atelierd.cli.doctor_daemon.within", lambda *_: None)
    assert told(command)["inbox"][0] == "fail"


def test_a_share_that_cannot_be_written_is_wrong(
    command: Command, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("atelierd.cli.doctor_daemon.durable.write_bytes", full)
    level, text = told(command)["outbox"]
    assert level == "fail"
    assert "Read-only file system" in text


def test_a_state_folder_on_a_network_is_wrong(
    command: Command, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> None:
        raise ConfigError("lies on a nfs4 file system")

    monkeypatch.setattr("atelierd.cli.doctor_daemon.refuse_network", refuse)
    assert told(command)["state folder"] == ("fail", "lies on a nfs4 file system")


def test_a_full_disk_is_wrong(command: Command, share: Path, tmp_path: Path) -> None:
    config = tmp_path / "atelierd.yaml"
    config.write_text(f"{config.read_text()}\nshare: {{free_space: 900000 GB}}\n")
    level, text = told(command)["free space"]
    assert level == "fail"
    assert "delete something" in text


def test_a_torch_that_does_not_work_is_wrong(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise NoTorchError("ImportError: libtorch.so")

    monkeypatch.setattr("atelierd.cli.doctor_machine.torch_facts", broken)
    assert told(command)["torch"] == ("fail", "does not work: ImportError: libtorch.so")


def test_gpus_are_listed_and_one_that_is_missing_is_wrong(
    command: Command, share: Path, facts: dict[str, Any], tmp_path: Path
) -> None:
    facts |= {"gpus": [GPU], "cuda": "12.8"}
    assert told(command)["GPU"] == ("ok", "cuda:0 H200, 150.0 GB, fast in bf16")
    config = tmp_path / "atelierd.yaml"
    config.write_text(f"{config.read_text()}\nwork: {{device: 'cuda:1'}}\n")
    level, text = told(command)["GPU"]
    assert level == "fail"
    assert "asks for cuda:1, and PyTorch finds 1 GPU" in text


def test_a_half_made_cntk_is_wrong(command: Command, share: Path, tmp_path: Path) -> None:
    assert told(command)["CNTK"][0] == "ok"
    (tmp_path / "state" / "cntk" / "venv").mkdir(parents=True)
    level, text = told(command)["CNTK"]
    assert level == "fail"
    assert "atelierd cntk install" in text


def test_a_process_that_dies_with_torch_takes_doctor_not_with_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho 'Illegal instruction' >&2\nkill -ILL $$\n")
    program.chmod(0o755)
    monkeypatch.setattr("atelierd.cli.devices.sys.executable", str(program))
    with pytest.raises(NoTorchError, match="Illegal instruction"):
        devices.torch_facts()
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(devices, "PATIENCE", 0.1)
    with pytest.raises(NoTorchError, match="takes longer"):
        devices.torch_facts()


def test_receivers_are_named_with_what_waits_for_them(
    command: Command, share: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "atelierd.yaml"
    url, key = "https://hooks.example.org/T0/s3cret", "{env: HOOK_KEY}"
    config.write_text(
        f"{config.read_text()}\nnotify:\n  webhooks: [{{url: '{url}', secret: {key}, "
        "events: [failed, back]}]\n"
    )
    monkeypatch.setenv("HOOK_KEY", "open sesame")
    ledger = Ledger.open(tmp_path / "state" / "ledger.sqlite")
    ledger.notices.enroll(
        [receiver.name for receiver in receivers_of(read_settings(config).notify)]
    )
    ledger.notices.happened(Event.BACK, {}, {})
    ledger.close()
    level, text = told(command)["notify"]
    assert level == "ok"
    assert text == "the webhook at hooks.example.org: failed, back; 1 notice to bring"
    monkeypatch.delenv("HOOK_KEY")
    level, text = told(command)["notify"]
    assert level == "fail" and "HOOK_KEY" in text
