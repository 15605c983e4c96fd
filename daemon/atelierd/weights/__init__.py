"""VGG weights: what the networks are (`network`), reading files (`reader`), keeping them (`store`).

Nothing is imported here, so that the daemon takes the networks' shapes without loading libraries.
"""
