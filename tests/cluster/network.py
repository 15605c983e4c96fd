"""A network of machines on this one: namespaces with addresses of their own, at one bridge.

Where namespaces cannot be made, everybody is at the loopback address, and what cuts a machine off
is skipped. With ATELIERD_REQUIRE_NETNS=1 that is a failure.
"""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Sequence

import pytest

_numbers = itertools.count()


class NoNamespacesError(Exception):
    """Namespaces cannot be made here; the message says what ip(8) said."""


class Network:
    """Machines by name; `hub` is the bridge."""

    def __init__(self, machines: Sequence[str]) -> None:
        """Make them. Raises NoNamespacesError."""
        self._tag = f"a{os.getpid() % 100_000}x{next(_numbers)}"
        self._machines = {name: index for index, name in enumerate(machines, 2)}
        self._made: list[str] = []
        try:
            self._make()
        except BaseException:
            self.close()
            raise

    def address(self, machine: str) -> str:
        return f"10.87.66.{self._machines[machine]}"

    def inside(self, machine: str) -> list[str]:
        """Return the words before a command that is to run on a machine."""
        return ["ip", "netns", "exec", self._name(machine)]

    def cut_off(self, machine: str) -> None:
        """Let nothing through to a machine, nor from it."""
        self._in_hub("ip", "link", "set", self._port(machine), "down")

    def bring_back(self, machine: str) -> None:
        self._in_hub("ip", "link", "set", self._port(machine), "up")

    def close(self) -> None:
        for name in self._made:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)

    def _make(self) -> None:
        self._add("hub")
        self._in_hub("ip", "link", "add", "bridge", "type", "bridge")
        self._in_hub("ip", "link", "set", "bridge", "up")
        for machine in self._machines:
            self._add(machine)
            port = self._port(machine)
            ip("link", "add", port, "netns", self._name("hub"), "type", "veth",
               "peer", "name", "eth0", "netns", self._name(machine))  # fmt: skip
            self._in_hub("ip", "link", "set", port, "master", "bridge", "up")
            inside = self.inside(machine)
            run(*inside, "ip", "address", "add", f"{self.address(machine)}/24", "dev", "eth0")
            run(*inside, "ip", "link", "set", "eth0", "up")
            run(*inside, "ip", "link", "set", "lo", "up")

    def _add(self, machine: str) -> None:
        ip("netns", "add", self._name(machine))
        self._made.append(self._name(machine))

    def _in_hub(self, *command: str) -> None:
        run(*self.inside("hub"), *command)

    def _name(self, machine: str) -> str:
        return f"{self._tag}-{machine}"

    def _port(self, machine: str) -> str:
        return f"port{self._machines[machine]}"


def ip(*words: str) -> None:
    run("ip", *words)


def run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise NoNamespacesError("there is no ip(8)") from error
    if done.returncode:
        raise NoNamespacesError(f"{' '.join(command)}: {done.stderr.strip()}")


def network_of(machines: Sequence[str]) -> Network | None:
    """Return a network of namespaces; None where there can be none and none is required."""
    try:
        return Network(machines)
    except NoNamespacesError as error:
        if os.environ.get("ATELIERD_REQUIRE_NETNS") == "1":
            pytest.fail(f"ATELIERD_REQUIRE_NETNS is set, but: {error}")
        return None
