"""`python -m jieqian` is the same as `jieqian`."""

from jieqian.entry import main

if __name__ == "__main__":
    main()
