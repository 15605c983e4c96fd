"""The section `schedule:` of the configuration: when renders are worked on."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from atelierd.configvalues import Section
from atelierd.schedule.reading import read_hours
from atelierd.schedule.timetable import Timetable
from atelierd.schedule.windows import Hours
from atelierd.wording import shown

#: Windows, and lines of hours in one of them.
MOST_WINDOWS = 50


def _hours(value: Any) -> tuple[Hours, ...]:
    lines = value if isinstance(value, list) else [value]
    if not 1 <= len(lines) <= MOST_WINDOWS:
        raise ValueError(f"found a list of {len(lines)}; expected 1 to {MOST_WINDOWS} lines")
    return tuple(line if isinstance(line, Hours) else read_hours(str(line)) for line in lines)


def _name(name: str) -> str:
    try:
        read_hours(name)
    except ValueError:
        return name
    raise ValueError(f"'{name}' means hours itself; give the window another name")


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"found '{shown(name, 60)}'; expected the name of a time zone such as Europe/Berlin, "
            "America/New_York or UTC"
        ) from None
    return name


WindowName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$", title="a name of letters, digits, - and _"),
    AfterValidator(_name),
]
WindowHours = Annotated[
    tuple[Hours, ...],
    BeforeValidator(_hours),
    WithJsonSchema(
        {"type": "string", "title": "hours such as `mon-fri 22:00-06:00`, or a list of these"}
    ),
]


class ScheduleSettings(Section):
    """When renders are worked on."""

    time_zone: (
        Annotated[str, AfterValidator(_zone), Field(title="a time zone such as Europe/Berlin")]
        | None
    ) = None
    """The zone of all hours; left out, this machine's own."""
    windows: dict[WindowName, WindowHours] = Field(
        default_factory=dict,
        max_length=MOST_WINDOWS,
        title="names, each with hours such as `mon-fri 22:00-06:00` or a list of these",
    )
    """When renders are worked on, by name: while any of these is open; left out, always."""
    previews: Literal["first", "off"] = "off"
    """With `first`, every waiting job gets a quick draft before a long render goes on."""

    @property
    def timetable(self) -> Timetable:
        """The windows as they are asked about."""
        zone = None if self.time_zone is None else ZoneInfo(self.time_zone)
        return Timetable(self.windows, zone)
