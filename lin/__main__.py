"""`python -m lin`: the command line."""

from lin.cli import main

if __name__ == "__main__":
    main()
