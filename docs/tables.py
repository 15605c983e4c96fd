"""Fill the tables into the pages that the program itself knows best: `python docs/tables.py`.

A page says between two comments which module prints the table; a test holds all of them equal.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parent
_TABLE = re.compile(r"(<!-- made by python -m ([\w. ]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def filled(text: str) -> str:
    """Return a page with its tables as the program prints them now."""

    def fill(match: re.Match[str]) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *match[2].split()], capture_output=True, text=True, check=True
        )
        return f"{match[1]}{done.stdout}{match[4]}"

    return _TABLE.sub(fill, text)


if __name__ == "__main__":
    for page in sorted(DOCS.glob("*.md")):
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
