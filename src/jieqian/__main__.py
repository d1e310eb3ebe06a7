"""`python -m jieqian` is the same as `jieqian`."""

from jieqian.cli import main

if __name__ == "__main__":
    main()
