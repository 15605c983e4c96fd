"""Microsoft's CNTK 2.7 as an engine: its own CPython 3.6 behind a local socket."""
