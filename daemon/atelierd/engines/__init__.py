"""Engines: frameworks that turn weights, a recipe and images into an objective to minimize."""
