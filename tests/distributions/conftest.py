"""Fixtures over the registry of cases."""

import pytest
from distributions.cases import CASES, ONE_OF_EACH


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


@pytest.fixture
def law(case):
    constructor, parameters = case
    return constructor(**parameters)


@pytest.fixture(params=ONE_OF_EACH)
def one_of_each(request):
    constructor, parameters = CASES[request.param]
    return constructor(**parameters)
