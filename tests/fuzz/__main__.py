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

from fuzz.kinds import KINDS, NAMES, rounds


def main() -> int:
    """Run what is asked for and return the exit status."""
    options = _options()
    end = time.monotonic() + 60 * options.minutes if options.minutes else None
    wrong, numbers, seed = 0, 0, options.seed
    while True:
        for what, run in rounds(options.only, options.distribution):
            for of_one in range(seed, seed + options.seeds):
                begun = time.process_time()
                report = run(options.points, of_one)
                seconds = time.process_time() - begun
                wrong, numbers = wrong + len(report.findings), numbers + report.numbers
                print(f"{what}, seed {of_one}, {seconds:.1f} s: {report.summary()}", flush=True)
                if end is not None and time.monotonic() > end:
                    return _ended(numbers, wrong)
        if end is None:
            return _ended(numbers, wrong)
        seed += options.seeds


def _ended(numbers: int, wrong: int) -> int:
    print(f"{numbers} numbers compared, {wrong} wrong")
    return int(wrong > 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python tests/fuzz", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = parser.add_argument
    kinds, names = list(KINDS), NAMES
    add("--seed", type=int, default=0, help="of the arguments (default: 0)")
    add("--seeds", type=int, default=1, help="how many of them by one program (1)")
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
