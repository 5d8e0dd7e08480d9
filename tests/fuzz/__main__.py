"""Random arguments for everything that is public, against oracles.

    python tests/fuzz                                        every kind, some points of each
    python tests/fuzz --only tails --points 1000 --seed 3
    python tests/fuzz --distribution hurdle_negative_binomial --minutes 60

With python-flint installed the oracles are 10 to 25 times as fast. Prints what was compared and
found, by kind. Exit status: 0 nothing is wrong, 1 something is.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzz.kinds import KINDS, rounds
from registry import DISTRIBUTIONS


def main() -> int:
    """Run what is asked for and return the exit status."""
    options = _options()
    end = time.monotonic() + 60 * options.minutes if options.minutes else None
    wrong, seed = 0, options.seed
    while True:
        for what, run in rounds(options.only, options.distribution):
            begun = time.process_time()
            report = run(options.points, seed)
            seconds = time.process_time() - begun
            print(f"{what}, seed {seed}, {seconds:.0f} s: {report.summary()}", flush=True)
            wrong += len(report.findings)
            if end is not None and time.monotonic() > end:
                return int(wrong > 0)
        if end is None:
            return int(wrong > 0)
        seed += 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python tests/fuzz", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = parser.add_argument
    kinds, names = list(KINDS), list(DISTRIBUTIONS)
    add("--seed", type=int, default=0, help="of the arguments (default: 0)")
    add("--points", type=int, default=64, help="of each kind, distribution and dtype (64)")
    add("--only", nargs="+", default=kinds, choices=kinds, metavar="KIND", help=", ".join(kinds))
    add(
        "--distribution", nargs="+", default=names, choices=names, metavar="NAME",
        help=", ".join(names),
    )  # fmt: skip
    add("--minutes", type=float, help="go on with further seeds for so long")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
