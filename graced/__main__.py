"""`python -m graced` is `graced`."""

from graced.cli.main import main

if __name__ == "__main__":
    main()
