"""A job file's bytes as a `JobFile`, or the reason why not."""

from __future__ import annotations

from atelierd.errors import JobFault
from atelierd.jobs.schema import JobFile
from atelierd.yamldoc import YamlError, parse, validate


def read_job(data: bytes, name: str) -> JobFile:
    """Return the job that `data` describes; `name` is the file's, for messages.

    Raises JobFault, whatever the bytes are, with one line for each problem.
    """
    try:
        return validate(parse(data, name), JobFile)
    except YamlError as error:
        raise JobFault(str(error)) from error
