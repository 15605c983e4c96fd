"""What can be told, as a Markdown table, for the documentation.

`python -m atelierd.notify.reference` prints it.
"""

from __future__ import annotations

import sys

from atelierd.events import WORDS


def event_table() -> str:
    """Return a row for each event: its name and when it is told."""
    rows = ["| event | told when |", "| --- | --- |"]
    rows += [f"| `{event.value}` | {words} |" for event, words in WORDS.items()]
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.stdout.write(event_table())
