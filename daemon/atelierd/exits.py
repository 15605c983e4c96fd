"""The exit codes of every command, in one place; the values are those of sysexits.h."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What a command ended with, for service managers and scripts; `words` is for people."""

    words: str

    OK = 0, "done"
    FAILED = 1, "a job failed, or what was looked at is wrong"
    USAGE = 2, "the command line cannot be understood"
    UNAVAILABLE = (
        69,
        "another daemon has the inbox, or another program the address; weights or CNTK cannot be "
        "had",
    )
    INTERNAL = 70, "a bug of atelierd's own"
    KEPT_FROM_WORK = 75, "share, disk or schedule kept work from being done; later it may go"
    CONFIG = 78, "the configuration is missing or wrong"
    INTERRUPTED = 130, "stopped by Ctrl-C"

    def __new__(cls, code: int, words: str) -> Exit:
        """Make the member of value `code`."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.words = words
        return member
