"""One render, whichever engine computes it: scales, minimizers, checkpoints, segments."""
