"""The daemon's end of the server: every way in which the other end can fail; no CNTK is needed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from atelierd.engines.cntk import client
from atelierd.engines.cntk import server as protocol
from atelierd.engines.cntk.client import ReplacedError, Server
from atelierd.engines.cntk.installation import Installation
from atelierd.errors import NodeFault, OutOfMemoryFault

StandIn = Callable[[str], Installation]


def start(installation: Installation, seconds: float = 60) -> Server:
    return Server(installation, {}, [], threads=1, seconds=seconds)


def evaluate(server: Server, seconds: float = 60) -> protocol.Message:
    return server.call(protocol.EVALUATE, {}, seconds=seconds, doing="evaluating 8x8 px")


def test_a_server_that_dies_at_the_start_is_quoted(stand_in: StandIn) -> None:
    installation = stand_in("sys.exit('libmpi.so.12: cannot open shared object file')")
    with pytest.raises(NodeFault) as caught:
        start(installation)
    assert "ended with exit status 1 while starting" in str(caught.value)
    assert "libmpi.so.12: cannot open shared object file" in str(caught.value)


def test_a_missing_interpreter_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(NodeFault, match=r"cannot be started.*run: atelierd cntk install"):
        start(Installation(tmp_path, gpu=False))


def test_a_server_of_another_version_is_refused(stand_in: StandIn) -> None:
    installation = stand_in("protocol.VERSION = 9; protocol.send_message(channel, 5, {})")
    with pytest.raises(NodeFault, match="speaks version 9 of the protocol, expected 2"):
        start(installation)


def test_garbage_from_the_server_is_a_node_fault(stand_in: StandIn) -> None:
    installation = stand_in("greet(); channel.sendall(b'nonsense' * 100); time.sleep(60)")
    server = start(installation)
    with pytest.raises(NodeFault, match="broke off while evaluating 8x8 px: not a message"):
        evaluate(server)


def test_a_server_that_is_killed_says_by_what_and_in_the_middle_of_what(stand_in: StandIn) -> None:
    installation = stand_in(
        "greet(); print('last words', flush=True); protocol.receive_message(channel)\n"
        "import os; os.kill(os.getpid(), 9)"
    )
    server = start(installation)
    with pytest.raises(NodeFault) as caught:
        evaluate(server)
    assert "was killed by SIGKILL while evaluating 8x8 px" in str(caught.value)
    assert "last words" in str(caught.value)
    assert not isinstance(caught.value, OutOfMemoryFault)


def test_what_cntk_prints_at_every_start_is_not_quoted(stand_in: StandIn) -> None:
    greeting = "Selected CPU as the process wide default device."
    server = start(stand_in(f"greet(); print({greeting!r}, flush=True); sys.exit(3)"))
    with pytest.raises(NodeFault, match=r"exit status 3 while evaluating 8x8 px$"):
        evaluate(server)


def test_a_server_that_the_kernel_killed_for_want_of_memory_is_out_of_memory(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = iter([3, 4])
    monkeypatch.setattr(client, "_oom_kills", lambda: next(counts))
    installation = stand_in("greet(); import os; os.kill(os.getpid(), 9)")
    server = start(installation)
    with pytest.raises(OutOfMemoryFault, match="by the kernel for want of memory"):
        evaluate(server)


def test_a_server_that_says_that_memory_ran_out_is_out_of_memory(stand_in: StandIn) -> None:
    installation = stand_in(
        "greet(); protocol.receive_message(channel)\n"
        "protocol.send_message(channel, protocol.FAILED, protocol.reason(MemoryError()))\n"
        "time.sleep(60)"
    )
    server = start(installation)
    with pytest.raises(OutOfMemoryFault, match="ran out of memory while evaluating"):
        evaluate(server)


def test_a_server_that_hangs_is_ended_at_its_deadline(stand_in: StandIn) -> None:
    server = start(stand_in("greet(); time.sleep(600)"))
    with pytest.raises(NodeFault, match=r"gave no answer within 0 s .* hangs or was stopped"):
        evaluate(server, seconds=0.1)
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, 0)


def test_after_a_fault_every_call_repeats_its_reason(stand_in: StandIn) -> None:
    server = start(stand_in("greet(); sys.exit(3)"))
    with pytest.raises(NodeFault):
        evaluate(server)
    with pytest.raises(NodeFault, match=r"has ended: .* exit status 3"):
        evaluate(server)
    server.close()


def test_an_objective_that_was_dropped_is_told_from_a_fault(stand_in: StandIn) -> None:
    code = (
        "greet()\n"
        "for reply in (protocol.FAILED, protocol.DONE):\n"
        "    protocol.receive_message(channel)\n"
        "    gone = protocol.reason(protocol.GoneError('objective 1 was dropped'))\n"
        "    protocol.send_message(channel, reply, gone)\n"
    )
    server = start(stand_in(code))
    with pytest.raises(ReplacedError):
        evaluate(server)
    assert evaluate(server).kind == protocol.DONE
    server.close()


def test_closing_ends_a_server_that_does_not_listen(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_END_SECONDS", 0.1)
    server = start(stand_in("greet(); time.sleep(600)"))
    server.close()
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, 0)


def test_a_terminals_interrupt_does_not_reach_the_server(stand_in: StandIn) -> None:
    server = start(stand_in("greet(); greet()"))
    assert os.getpgid(server.pid) != os.getpgid(0)
    evaluate(server)
    server.close()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RuntimeError("std::bad_alloc"), "memory"),
        (RuntimeError("CUDA failure 2: out of memory ; GPU=0\n\n[CALL STACK]\n ..."), "memory"),
        (MemoryError(), "memory"),
        (ValueError("shapes differ"), "failure"),
    ],
)
def test_exceptions_are_sorted_into_want_of_memory_and_other_failures(
    error: Exception, kind: str
) -> None:
    said = protocol.reason(error)
    assert said["kind"] == kind
    assert said["message"] and "CALL STACK" not in said["message"]
