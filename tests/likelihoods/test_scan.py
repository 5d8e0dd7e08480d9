"""Every distribution, differentiated twice inside a scan with arguments that broadcast.

JAX drops the rules of `custom_jvp` under partial evaluation, as in `lax.scan` of a checkpoint, and
what is left is differentiated as it stands. The results are compared with differences of values in
float64, and the same programs are looked at as they are for CUDA and TPU.
"""

import itertools
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from device_code import DEVICES, check, lowered
from jax import lax
from registry import CASES, COUNTS, FRACTIONS

SHAPE = (4, 3)
SHAPES = [(4, 1), (3,), (), (1, 3), (4, 3)]
# The second block goes by the other branch of the conditional.
X = np.stack([np.resize(COUNTS, SHAPE), np.resize([*FRACTIONS, *COUNTS], SHAPE)]).astype("f")
STEP, AT = 4e-3, np.arange(-2, 3)
FIRST, SECOND = np.array([[1, -8, 0, 8, -1], [-1, 16, -30, 16, -1]]) / 12


def arguments(case):
    """Parameters and a direction, of shapes that broadcast against a block."""
    rng = np.random.default_rng(1)
    shapes = list(itertools.islice(itertools.cycle(SHAPES), len(case.values)))
    every = [case.arrays(shape, seed) for seed, shape in enumerate(shapes)]
    parameters = [arrays[place] for place, arrays in enumerate(every)]
    return parameters, [rng.uniform(0.5, 1, shape).astype("f") for shape in shapes]


@cache
def second_derivatives(case):
    """The traced program: total, its gradient and, forward over reverse, a Hessian product."""

    def total(parameters, x):
        @partial(jax.checkpoint, prevent_cse=False)
        def step(so_far, block):
            value = case.log_prob(block, *parameters)
            return so_far + jnp.where(value > -jnp.inf, value, 0).sum(), None

        return lax.scan(step, jnp.float32(0), x)[0]

    def with_product(parameters, direction, x):
        def with_gradient(parameters):
            return jax.value_and_grad(total)(parameters, x)

        (value, gradient), (_, product) = jax.jvp(with_gradient, (parameters,), (direction,))
        return value, gradient, product

    return jax.jit(with_product).trace(*arguments(case), X)


@cache
def values(case):
    """The traced program, in float64: for rows of parameters, the values at each count."""
    mapped = jax.vmap(jax.vmap(case.log_prob), (None, *[0] * len(case.values)))
    with jax.enable_x64(True):
        rows = jax.ShapeDtypeStruct((15 * len(case.values), X.size), "float64")
        of_x = jax.ShapeDtypeStruct((X.size,), "float64")
        return jax.jit(mapped).trace(of_x, *[rows] * len(case.values))


def expected(case, parameters, direction):
    """By count: the value, and for each parameter its derivative and that along the direction."""
    k = len(parameters)
    spread = [np.broadcast_to(p, X.shape).ravel().astype(float) for p in (*parameters, *direction)]
    point, along = np.array(spread[:k]), np.array(spread[k:])
    unit = np.eye(k)[:, :, None] * np.ones(X.size)
    directions = np.concatenate([unit, unit + along, unit - along])
    rows = point + STEP * AT[:, None, None] * directions[:, None]
    with jax.enable_x64(True):
        program = values(case).lower().compile()
        columns = rows.reshape(-1, k, X.size).swapaxes(0, 1)
        at = np.array(program(X.ravel().astype(float), *map(np.ascontiguousarray, columns)))
    at = np.where(at > -np.inf, at, 0).reshape(3, k, len(AT), X.size)
    first = np.einsum("kan,a->kn", at[0], FIRST) / STEP
    plus, minus = np.einsum("skan,a->skn", at[1:], SECOND) / STEP**2
    return at[0, 0, 2], first, (plus - minus) / 4


def narrowed(elements, shape):
    """The sum over the axes along which an argument of this shape was repeated."""
    elements = elements.reshape(X.shape)
    wide = (1,) * (elements.ndim - len(shape)) + shape
    axes = tuple(i for i, size in enumerate(wide) if size == 1)
    return elements.sum(axes).reshape(shape)


# The rules are those of two primitives, which all distributions share; the negative binomial alone
# is in `test_transform_matrix.py`.
@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_derivatives_agree_with_differences(name):
    case = CASES[name]
    parameters, direction = arguments(case)
    program = second_derivatives(case).lower().compile()
    total, gradient, product = program(parameters, direction, X)
    value, first, second = expected(case, parameters, direction)
    np.testing.assert_allclose(total, value.sum(), rtol=1e-6)
    for place, parameter in enumerate(case.family.parameters):
        shape = parameters[place].shape
        for got, exact, digits in (
            (gradient[place], first[place], 2e-6),
            (product[place], second[place], 2e-5),
        ):
            assert got.shape == shape
            off = np.abs(got - narrowed(exact, shape))
            granted = digits * narrowed(np.abs(exact), shape)
            if parameter.constraint == "extended real":
                # a rounding of the components' log-probabilities, on which their weights depend
                granted = granted + np.finfo(np.float32).eps / 4
            assert (off <= granted).all(), (parameter.name, off)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_the_programs_hold_none_of_our_cpu_code_on_devices(name):
    case = CASES[name]
    for platform in DEVICES:
        check(lowered(second_derivatives(case), platform))
        with jax.enable_x64(True):
            check(lowered(values(case), platform))


@pytest.mark.quick
def test_the_counts_go_by_both_branches():
    whole, other = X
    assert (whole == np.round(whole)).all()
    assert not (other == np.round(other)).all()
    elements = np.arange(24.0)
    for shape in SHAPES:  # as `expected` sums over what broadcasts
        total = narrowed(elements, shape)
        assert total.shape == shape
        assert total.sum() == elements.sum()
