"""`python -m sftmill` is the same as `sftmill`."""

from sftmill.cli import main

if __name__ == "__main__":
    main()
