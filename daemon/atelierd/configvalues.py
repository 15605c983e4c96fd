"""What the configuration's values are read by: sections, durations, amounts, times of day."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time, timedelta
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

from atelierd.wording import shown

_SECONDS = {"": 1.0, "ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_MOST_BYTES = 10**18
_QUANTITY = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*([A-Za-z]*)\s*")


def _quantity(value: Any, units: dict[str, Any], example: str) -> float:
    match = _QUANTITY.fullmatch(str(value)) if not isinstance(value, bool) else None
    if match is None or match[2] not in units:
        known = ", ".join(unit for unit in units if unit)
        raise ValueError(
            f"found {shown(str(value), 60)}; expected a number with one of the units {known}, such "
            f"as `{example}`"
        )
    return float(match[1]) * float(units[match[2]])


def _duration(value: Any) -> timedelta:
    try:
        return timedelta(seconds=_quantity(value, _SECONDS, "10 min"))
    except OverflowError as error:
        raise ValueError(f"found {shown(str(value), 60)}; that is longer than time") from error


@dataclass(frozen=True)
class _Lasting:
    """Reads a duration between two others."""

    least: str
    most: str

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(self._read, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        words = f"a time from {self.least} to {self.most}"
        return {"type": "string", "title": words}

    def _read(self, value: Any) -> timedelta:
        duration = value if isinstance(value, timedelta) else _duration(value)
        if not _duration(self.least) <= duration <= _duration(self.most):
            raise ValueError(f"found {value}; expected {self.least} to {self.most}")
        return duration


def lasting(least: str, most: str) -> _Lasting:
    """Return what reads a duration between both."""
    return _Lasting(least, most)


def _size(value: Any) -> int:
    size = _quantity(value, _BYTES, "500 MB")
    if size > _MOST_BYTES:
        raise ValueError(f"found {shown(str(value), 60)}; no disk has so many bytes")
    return int(size)


ByteCount = Annotated[
    int,
    BeforeValidator(_size),
    WithJsonSchema({"type": "string", "title": "an amount such as 200 MiB"}),
]


def _time_of_day(value: Any) -> time | None:
    if value is None or isinstance(value, time):
        return value
    if value == "never":
        return None
    match = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", str(value))
    if match is None:
        raise ValueError(
            f"found {shown(str(value), 60)}; expected a time of day from 00:00 to 23:59, or never"
        )
    return time(int(match[1]), int(match[2]))


TimeOfDay = Annotated[
    time | None, BeforeValidator(_time_of_day), Field(title="a time such as 07:00, or never")
]
"""A local time; None where it is to be never."""


class Section(BaseModel):
    """A part of the configuration: no unknown keys, no changes afterwards."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )
