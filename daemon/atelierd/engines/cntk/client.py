"""The daemon's end of the CNTK server: its process, its socket, and what went wrong with it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atelierd.engines.cntk import server as protocol
from atelierd.engines.cntk.installation import Installation
from atelierd.errors import NodeFault, OutOfMemoryFault

NamedArrays = Sequence[tuple[str, NDArray[np.float32]]]

#: Seconds that a server gets to end by itself, once its socket is closed, before it is killed.
_END_SECONDS = 5
#: How much of the server's own output a fault's message quotes.
_TAIL_BYTES, _TAIL_LINES = 4096, 12
#: What CNTK prints at every start, which explains no fault.
_GREETING = "as the process wide default device."


class ReplacedError(Exception):
    """The server no longer has the objective that was asked for."""


class Server:
    """One server process and the conversation with it; not to be shared between threads.

    Any fault ends the process and is final: the next call raises NodeFault again, and whoever
    holds the engine makes a new one.
    """

    def __init__(
        self,
        installation: Installation,
        hello: Mapping[str, Any],
        arrays: NamedArrays,
        *,
        threads: int | None,
        seconds: float,
    ) -> None:
        self._fault: NodeFault | None = None
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the server
        self._oom_kills = _oom_kills()
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        script = str(Path(protocol.__file__).absolute())
        options = ["-I", "-X", "faulthandler"]
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [str(installation.python), *options, script, str(theirs.fileno())],
                    stdin=subprocess.PIPE,
                    stdout=self._log,
                    stderr=self._log,
                    pass_fds=[theirs.fileno()],
                    env=installation.environment(threads),
                    cwd="/",
                    # A terminal's Ctrl-C is for the daemon alone.
                    start_new_session=True,
                )
            except OSError as error:
                self._channel.close()
                self._log.close()
                raise NodeFault(
                    f"the CNTK interpreter {installation.python} cannot be started ({error}); "
                    "run: atelierd cntk install"
                ) from error
        reply = self.call(protocol.HELLO, hello, arrays, seconds=seconds, doing="starting")
        self.versions: Mapping[str, Any] = reply.description

    @property
    def pid(self) -> int:
        """The process id of the server."""
        return self._process.pid

    def call(
        self,
        kind: int,
        description: Mapping[str, Any],
        arrays: NamedArrays = (),
        *,
        seconds: float,
        doing: str,
    ) -> protocol.Message:
        """Send one request and return its reply, which must come within `seconds`.

        Raises ReplacedError; NodeFault if the server died, hangs, or failed; OutOfMemoryFault if
        it was for want of memory. `doing` is for their messages: "evaluating 64x64 px".
        """
        if self._fault is not None:
            raise NodeFault(f"this CNTK server has ended: {self._fault}")
        deadline = time.monotonic() + seconds
        try:
            self._channel.settimeout(seconds)
            protocol.send_message(self._channel, kind, dict(description), arrays)
            reply = protocol.receive_message(self._channel, deadline)
        except TimeoutError:
            raise self._failed(
                f"gave no answer within {seconds:.0f} s while {doing}: it hangs or was stopped"
            ) from None
        except (OSError, protocol.PeerGoneError):
            raise self._died(doing) from None
        except protocol.ProtocolError as error:
            raise self._failed(f"broke off while {doing}: {error}") from error
        if reply.kind == protocol.DONE:
            return reply
        message = reply.description.get("message", "no reason given")
        reason = reply.description.get("kind")
        if reason == "gone":
            raise ReplacedError(message)
        if reason == "memory":
            raise self._failed(f"ran out of memory while {doing}: {message}", OutOfMemoryFault)
        raise self._failed(f"failed while {doing}: {message}")

    def close(self) -> None:
        """End the server and free what it held."""
        if self._fault is None:
            self._fault = NodeFault("it was closed")
            self._end(_END_SECONDS)
            self._log.close()

    def _died(self, doing: str) -> NodeFault:
        # The socket closes a moment before the process can be reaped.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        status = self._process.poll()
        kind = NodeFault
        if status is None:
            how = "closed its socket"
        elif status >= 0:
            how = f"ended with exit status {status}"
        else:
            how = f"was killed by {signal.Signals(-status).name}"
            if status == -signal.SIGKILL and _oom_kills() > self._oom_kills:
                how += ", by the kernel for want of memory,"
                kind = OutOfMemoryFault
        return self._failed(f"{how} while {doing}", kind)

    def _failed(self, what: str, kind: type[NodeFault] = NodeFault) -> NodeFault:
        self._end(0)
        message = f"the CNTK server (process {self.pid}) {what}"
        if tail := self._tail():
            message += f"\nThe end of its output:\n{tail}"
        self._log.close()
        self._fault = kind(message)
        return self._fault

    def _tail(self) -> str:
        size = os.fstat(self._log.fileno()).st_size
        data = os.pread(self._log.fileno(), _TAIL_BYTES, max(0, size - _TAIL_BYTES))
        printed = data.decode(errors="replace").strip().splitlines()
        lines = [line for line in printed if not line.endswith(_GREETING)]
        return "\n".join(f"  {line}" for line in lines[-_TAIL_LINES:])

    def _end(self, seconds: float) -> None:
        self._channel.close()
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _oom_kills() -> int:
    """Return how many processes the kernel has killed for want of memory since it started."""
    with contextlib.suppress(OSError):
        found = re.search(r"^oom_kill (\d+)$", Path("/proc/vmstat").read_text(), re.MULTILINE)
        if found:
            return int(found[1])
    return 0
