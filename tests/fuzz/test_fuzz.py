"""A few points of every kind; `python tests/fuzz` takes as many as there is time for."""

import pytest
from fuzz.kinds import DTYPES, KINDS, NAMES, rounds

# In the default run, kinds without other tests on random arguments, of one distribution.
_OFTEN = {"likelihoods": 48, "complements": 512}


def _cases():
    for kind in KINDS:
        for name in NAMES:
            for dtype in DTYPES:
                often = kind in _OFTEN and (name, dtype) == ("negative_binomial", "float32")
                marks = () if often else pytest.mark.slow
                yield pytest.param(kind, name, dtype, _OFTEN.get(kind, 16), marks=marks)


@pytest.mark.parametrize(("kind", "name", "dtype", "points"), [*_cases()])
def test_nothing_is_wrong(kind, name, dtype, points):
    for what, run in rounds([kind], [name], [dtype]):
        report = run(points, 11)
        assert not report.findings, f"{what}: {report.summary()}"
