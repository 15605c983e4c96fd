"""The example pictures, drawn with NumPy and Pillow alone."""
