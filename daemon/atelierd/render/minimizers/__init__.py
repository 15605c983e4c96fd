"""Minimizers of a bounded objective, one step at a time, each able to stop and go on exactly."""

from atelierd.render.minimizers.base import Minimizer, Problem, Step
from atelierd.render.minimizers.choice import make_minimizer

__all__ = ["Minimizer", "Problem", "Step", "make_minimizer"]
