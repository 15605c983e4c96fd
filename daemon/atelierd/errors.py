"""The errors that atelierd raises: one short tree, sorted by who has to act.

The three kinds of fault decide what becomes of a job (rule 17 of the spool rules): the job's own
(fail at once), the node's (a new worker process, try again), the world's (the queue pauses, no
attempt is burned). A message names the file, what was found, what was expected and what to do; it
is written for the person who dropped the job.
"""


class AtelierError(Exception):
    """Base of every error that atelierd raises on purpose."""


class ConfigError(AtelierError):
    """The configuration cannot be used; the daemon does not start."""


class WeightsError(AtelierError):
    """The network's weights are missing, damaged, or not what their name says."""


class JobFault(AtelierError):
    """The job itself is wrong: fail it at once, with this reason, and go on with the next."""


class NotReadyError(AtelierError):
    """Something that the job names is not there yet: wait, say so, and look again."""


class NodeFault(AtelierError):
    """The worker or its device failed: start a new worker process and try again."""


class OutOfMemoryFault(NodeFault):
    """The device or the machine ran out of memory: try again with fewer pixels in flight."""


class WorldFault(AtelierError):
    """The share or a disk is not usable now: pause the queue until it is, burn no attempt."""


class LackingFault(WorldFault):
    """This machine lacks what only some jobs need, as weights: those wait, the others go on."""
