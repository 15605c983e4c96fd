"""`python -m atelierd`: the command without its script."""

from atelierd.cli import main

# Worker processes import this module again, under another name.
if __name__ == "__main__":
    main()
