"""``python -m jaxnb``."""

import sys

from jaxnb.cli import command as main

if __name__ == "__main__":
    sys.exit(main())
