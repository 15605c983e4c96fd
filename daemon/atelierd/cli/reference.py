"""Commands and exit codes as Markdown tables, for the documentation.

`python -m atelierd.cli.reference commands` and `... exits` print them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping

import typer

from atelierd.cli.app import app
from atelierd.exits import Exit


def command_table() -> str:
    """Return a row for each command: what it needs, what it does, whether it has `--json`."""
    rows = ["| command | | `--json` |", "| --- | --- | --- |", *_commands(app, "")]
    return "\n".join(rows) + "\n"


def exit_table() -> str:
    """Return a row for each exit code and what it says."""
    rows = ["| code | |", "| ---: | --- |"]
    rows += [f"| {code.value} | {code.words} |" for code in Exit]
    return "\n".join(rows) + "\n"


def _commands(group: typer.Typer, prefix: str) -> Iterator[str]:
    click_group = typer.main.get_group(group)
    for name, command in click_group.commands.items():
        inner = next((one for one in group.registered_groups if one.name == name), None)
        if inner is not None and inner.typer_instance is not None:
            yield from _commands(inner.typer_instance, f"{prefix}{name} ")
            continue
        names = {option for parameter in command.params for option in parameter.opts}
        arguments = [
            str(parameter.metavar or str(parameter.name).upper())
            for parameter in command.params
            if parameter.param_type_name == "argument"
        ]
        needed = [
            f"{max(parameter.opts, key=len)} {parameter.metavar or str(parameter.name).upper()}"
            for parameter in command.params
            if parameter.param_type_name == "option" and parameter.required
        ]
        # In a table even code may have no bar that is not escaped.
        call = " ".join([f"atelierd {prefix}{name}", *arguments, *needed]).replace("|", "\\|")
        words = (command.help or "").partition("\n\n")[0].replace("\n", " ").strip()
        yield f"| `{call}` | {words} | {'yes' if '--json' in names else ''} |"


TABLES: Mapping[str, Callable[[], str]] = {"commands": command_table, "exits": exit_table}

if __name__ == "__main__":
    sys.stdout.write(TABLES[sys.argv[1]]())
