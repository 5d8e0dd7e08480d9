"""Fixtures over the registry of cases."""

import pytest
from distributions.cases import CASES, ONE_OF_EACH, made


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


@pytest.fixture(params=CASES)
def distribution(request):
    return made(request.param)


@pytest.fixture(params=ONE_OF_EACH)
def one_of_each(request):
    return made(request.param)
