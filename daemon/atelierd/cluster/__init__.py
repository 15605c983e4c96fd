"""Renders on other machines: the same queue, its segments carried to workers of a dask cluster.

`parcel` is what travels, `certificates` and `security` are who may; `bench`, `remote` and `host`
run at a worker, `link`, `carrier` and `fleet` in the daemon.
"""
