"""What `doctor` finds out about the machine: processor, memory, PyTorch, weights, CNTK."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from atelierd import __version__
from atelierd.cli import words
from atelierd.cli.configuration import Surroundings
from atelierd.cli.devices import NoTorchError, torch_facts
from atelierd.cli.findings import Finding, fail, ok, warn
from atelierd.engines.cntk import installation as cntk
from atelierd.errors import WeightsError
from atelierd.render.machine import REFERENCE, NoModelError, read_model
from atelierd.render.memory import MachineMemory
from atelierd.render.plan import make_plan
from atelierd.render.planner import Demand, Planner
from atelierd.render.shipped import SHIPPED
from atelierd.weights.formats.canonical import read_metadata
from atelierd.weights.network import NETWORKS

#: Processor features that decide how fast convolutions are.
FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
#: Long sides of renders whose memory is told, the largest that fits of these.
SIDES = (512, 1024, 1536, 2048, 3072, 4096, 6144, 8192)


def examine_machine(here: Surroundings) -> Iterator[Finding]:
    """Give what is found, one after the other."""
    yield _processor()
    yield _memory(here)
    yield _figures(here)
    yield from _torch(here)
    yield from _weights(here)
    yield _cntk(here.state)


def _processor() -> Finding:
    name, flags = "unknown processor", set[str]()
    for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            name = value.strip()
        elif key.strip() == "flags":
            flags = set(value.split())
            break
    cores = len(os.sched_getaffinity(0))
    known = ", ".join(flag for flag in FLAGS if flag in flags)
    return ok("processor", f"{name}, {words.count(cores, 'core')} for this process, {known}")


def _memory(here: Surroundings) -> Finding:
    try:
        model = read_model(here.state)
    except NoModelError:
        model = SHIPPED
    planner = Planner(model, Demand(REFERENCE, "lbfgs"))
    free = MachineMemory().available()
    fitting = [
        side
        for side in SIDES
        if planner.within(make_plan((side, side), 100, 1, "auto", model.fast_precision), free)
    ]
    text = f"{words.size(free)} free"
    if not fitting:
        return warn("memory", f"{text}: too little for {SIDES[0]} x {SIDES[0]} pixels")
    return ok("memory", f"{text}: enough for {fitting[-1]} x {fitting[-1]} pixels")


def _figures(here: Surroundings) -> Finding:
    topic, advice = "figures", "atelierd benchmark, while nothing else runs"
    try:
        model = read_model(here.state)
    except NoModelError as error:
        return ok(topic, f"{error}: memory and time are foretold with caution ({advice})")
    work = here.settings.work if here.settings else None
    stale = model.differs_from(
        version("torch"),
        atelierd=__version__,
        device="cpu" if work and work.device[0] == "cpu" else None,
        threads=work.threads if work else None,
    )
    if stale is not None:
        return warn(topic, stale, advice)
    return ok(topic, f"measured on {model.measured_at:%Y-%m-%d}, at a load of {model.load}")


def _torch(here: Surroundings) -> Iterator[Finding]:
    try:
        facts = torch_facts()
    except NoTorchError as error:
        yield fail("torch", f"does not work: {error}", "install atelierd again, with its packages")
        return
    wanted = here.settings.work.device if here.settings else ("auto",)
    threads = (here.settings.work.threads if here.settings else None) or facts["threads"]
    yield ok(
        "torch",
        f"{facts['version']}; on the processor {facts['capability']}, "
        f"{words.count(threads, 'thread')}, fast in {facts['precision']}",
    )
    yield _gpu(facts, wanted)


def _gpu(facts: dict[str, Any], wanted: Sequence[str]) -> Finding:
    gpus = facts["gpus"]
    for device in wanted:
        index = int(device.partition(":")[2] or 0)
        if device.startswith("cuda") and index >= len(gpus):
            return fail(
                "GPU",
                f"the configuration asks for {device}, and PyTorch finds "
                f"{words.count(len(gpus), 'GPU')}",
                "see whether nvidia-smi lists it, or set device: auto",
            )
    if not gpus and facts["cuda"] is None and Path("/proc/driver/nvidia").exists():
        return warn(
            "GPU",
            "there is an NVIDIA driver, but this PyTorch is built for processors alone",
            "install the CUDA build, see https://pytorch.org/get-started/locally/",
        )
    if not gpus:
        return ok("GPU", "none; renders run on the processor")
    listed = "; ".join(
        f"{gpu['device']} {gpu['name']}, {words.size(gpu['bytes'])}, fast in {gpu['precision']}"
        for gpu in gpus
    )
    return ok("GPU", listed)


def _weights(here: Surroundings) -> Iterator[Finding]:
    store = here.weight_store
    for network in NETWORKS:
        path = store.find(network)
        topic = f"weights {network}"
        try:
            facts = read_metadata(path) if path else {}
        except WeightsError as error:
            yield fail(topic, str(error))
            continue
        if path is not None:
            yield ok(topic, f"{path}, from {facts.get('source', 'an unknown source')}")
        elif network == NETWORKS[0]:
            yield warn(
                topic,
                "not here; the first render fetches them",
                f"atelierd weights fetch {network}, while somebody watches",
            )
        else:
            yield ok(topic, f"not here; only for jobs with `network: {network}`")


def _cntk(state: Path) -> Finding:
    if not cntk.is_begun(state):
        return ok(
            "CNTK", "not installed; only for jobs with `engine: cntk` (atelierd cntk install)"
        )
    found = cntk.problems(state)
    if found:
        return fail("CNTK", "; ".join(found))
    installation = cntk.find(state)
    kind = "GPU" if installation and installation.gpu else "processor"
    return ok("CNTK", f"2.7 for the {kind}, in {cntk.folder_in(state)}")
