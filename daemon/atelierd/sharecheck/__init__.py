"""Measuring a folder on a share: what it does, and what `settle` and `scan_interval` follow."""
