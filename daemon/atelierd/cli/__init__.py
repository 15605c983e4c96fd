"""The command line; `main` is what the command `atelierd` runs.

A command imports what it needs when it runs, so that `atelierd --help` and `atelierd status` answer
at once: frameworks and readers of weights take seconds to import.
"""

from atelierd.cli.app import main

__all__ = ["main"]
