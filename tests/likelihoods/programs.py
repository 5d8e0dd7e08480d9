"""The programs through which the tests of values go: one for each likelihood and dtype."""

from functools import cache

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
from registry import CASES

SIZE = 720  # of every array, so that one program serves all: the reference points of whole counts
FLOOR = {"float32": 1e-30, "float64": 1e-290}  # on means, documented


@cache
def _program(name, second, log_scale):
    case = CASES[name]

    def log_prob(x, parameters, eps):
        if log_scale:
            return case.on_log_scale(x, *parameters)
        return case.log_prob(x, *parameters, eps=eps)

    @jax.jit
    def program(x, parameters, eps):
        def with_gradient(*parameters):
            value, transpose = jax.vjp(lambda *p: log_prob(x, p, eps), *parameters)
            return value, jnp.stack(transpose(jnp.ones_like(value)))

        if not second:
            return with_gradient(*parameters)

        def along(*direction):
            return jax.jvp(with_gradient, parameters, direction)

        basis = np.eye(len(parameters), dtype=x.dtype)[:, :, None] * np.ones(SIZE, x.dtype)
        (value, gradient), (_, hessian) = jax.vmap(along, out_axes=(None, 0))(*basis)
        return value, gradient, hessian

    return program


def derivatives(name, x, *parameters, eps=0.0, second=False, log_scale=False):
    """Values, first derivatives by (parameter, point), and second ones if asked for.

    All arguments have `SIZE` elements, and one dtype.
    """
    with jax.enable_x64(x.dtype == np.float64):
        program = _program(name, second, log_scale)
        return [np.array(a) for a in program(x, parameters, x.dtype.type(eps))]


def at_points(name, points, dtype="float32", eps=None, **options):
    """The same at a few points (x, *parameters), with an axis of length 2 before that of points.

    First each point in an array of its own, then all in one: the conditional that chooses between
    the kernel and the way of unusual arguments sees the whole array. `eps` is the documented floor
    by default.
    """
    columns = [np.array(column, dtype) for column in zip(*points, strict=True)]
    options["eps"] = FLOOR[dtype] if eps is None else eps
    together = derivatives(name, *(np.resize(c, SIZE) for c in columns), **options)
    alone = [
        derivatives(name, *(np.full(SIZE, c[i]) for c in columns), **options)
        for i in range(len(points))
    ]
    return [
        np.stack([np.stack([a[..., 0] for a in each], -1), whole[..., : len(points)]], -2)
        for *each, whole in zip(*alone, together, strict=True)
    ]


def assert_at(points, got, expected, **tolerances):
    """`assert_allclose` whose message names the points that are off."""
    expected = np.broadcast_to(np.asarray(expected, float), np.shape(got))
    off = ~np.isclose(got, expected, equal_nan=True, **{"rtol": 0, "atol": 0} | tolerances)
    where = [points[i] for i in np.unique(np.nonzero(off)[-1])]
    assert not off.any(), f"at {where}: got {got[off]}, expected {expected[off]}"


def exact(x, mu, theta):
    """The log-probability of a negative binomial at numbers as float32 has them."""
    with mpmath.workdps(200):
        x, mu, theta = (
            a if isinstance(a, mpmath.mpf) else mpmath.mpf(float(np.float32(a)))
            for a in (x, mu, theta)
        )
        gammas = mpmath.loggamma(x + theta) - mpmath.loggamma(theta) - mpmath.loggamma(x + 1)
        m = theta + mu
        return float(gammas + theta * mpmath.log(theta / m) + x * mpmath.log(mu / m))
