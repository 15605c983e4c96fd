"""Readers of the files that VGG weights come in; each returns what is in the file, unchanged."""
