"""Fixtures over the parameterizations."""

import pytest
from distributions.cases import CASES, ONE_OF_EACH


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


@pytest.fixture(params=ONE_OF_EACH)
def one_of_each(request):
    return ONE_OF_EACH[request.param]
