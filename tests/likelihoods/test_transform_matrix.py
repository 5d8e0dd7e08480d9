"""Every likelihood under every transformation, first to third order, against exact derivatives.

JAX drops the rules of `custom_jvp` under partial evaluation, as inside `lax.scan`, and what is left
is differentiated as it stands. Each function is therefore followed along a line through its
parameters, t -> f(x, p + t v), whose derivatives mpmath knows.
"""

from functools import partial

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from jax import lax

import jaxnb

X = (0.0, 1.0, 3.0)
NB = (6.30449, 2.8535924)
# name: function, point, direction, number of components
FUNCTIONS = {
    "nb": (jaxnb.log_nb_positive, NB, (0.4, 0.9)),
    "nb-far": (jaxnb.log_nb_positive, (20.0, 0.4), (3.0, 0.1)),
    "nb-log": (
        lambda x, a, b: jaxnb.log_nb_positive(x, log_mu=a, log_theta=b),
        tuple(np.log(NB)),
        (0.3, -0.6),
    ),
    "zinb": (jaxnb.log_zinb_positive, (*NB, -0.7), (0.4, 0.9, 0.3)),
    "mixture": (jaxnb.log_mixture_nb, (2.5, 4.1, 1.7, 0.9, -0.4), (0.5, -0.8, 0.3, 0.2, 1.0)),
}


def _log_nb(x, mu, theta):
    binomial = mpmath.loggamma(x + theta) - mpmath.loggamma(theta) - mpmath.loggamma(x + 1)
    m = theta + mu
    return binomial + theta * mpmath.log(theta / m) + x * mpmath.log(mu / m)


def _log_mixed(a, b, q):
    weight = 1 / (1 + mpmath.exp(-q))
    return mpmath.log(weight * mpmath.exp(a) + (1 - weight) * mpmath.exp(b))


def _exact_value(name, x, p):
    match name:
        case "zinb":
            mu, theta, pi = p
            return _log_mixed(0 if x == 0 else -mpmath.inf, _log_nb(x, mu, theta), pi)
        case "mixture":
            mu_1, mu_2, theta_1, theta_2, q = p
            return _log_mixed(_log_nb(x, mu_1, theta_1), _log_nb(x, mu_2, theta_2), q)
        case "nb-log":
            return _log_nb(x, mpmath.exp(p[0]), mpmath.exp(p[1]))
    return _log_nb(x, *p)


def exact(name, order):
    _, point, direction = FUNCTIONS[name]
    with mpmath.workdps(60):
        start, along = ([mpmath.mpf(float(v)) for v in values] for values in (point, direction))
        return [
            float(
                mpmath.diff(
                    lambda t, x=x: _exact_value(
                        name, x, [p + t * v for p, v in zip(start, along, strict=True)]
                    ),
                    0,
                    order,
                )
            )
            for x in X
        ]


def on_line(name):
    function, point, direction = FUNCTIONS[name]

    def along(x, t):
        return function(x, *(p + t * v for p, v in zip(point, direction, strict=True)))

    return along


def plain(f):
    return lambda t: jnp.stack([f(x, t) for x in X])


def mapped(f):
    return lambda t: jax.vmap(f, (0, None))(jnp.array(X), t)


def scanned(f, wrap=lambda step: step):
    def step(t, x):
        return t, f(x, t)

    return lambda t: lax.scan(wrap(step), t, jnp.array(X))[1]


def looped(f):
    def body(i, values):
        t, out = values
        return t, out.at[i].set(f(jnp.array(X)[i], t))

    return lambda t: lax.fori_loop(0, len(X), body, (t, jnp.zeros(len(X))))[1]


def behind_custom_vjp(f):
    @jax.custom_vjp
    def g(t):
        return mapped(f)(t)

    g.defvjp(lambda t: (g(t), t), lambda t, w: (w @ jax.jacfwd(mapped(f))(t),))
    return g


TRANSFORMATIONS = {
    "plain": plain,
    "jit": lambda f: jax.jit(mapped(f)),
    "scan": scanned,
    "scan of checkpoint": partial(scanned, wrap=jax.checkpoint),
    "checkpoint": lambda f: jax.checkpoint(mapped(f)),
    "checkpoint, saving dots": lambda f: jax.checkpoint(
        mapped(f), policy=jax.checkpoint_policies.dots_saveable
    ),
    "fori_loop": looped,
}


def forward(f, order):
    """Derivatives by forward mode alone."""
    for _ in range(order):
        f = jax.jacfwd(f)
    return f


def reverse(f, order):
    """By reverse mode, and over it as far as it goes."""
    for _ in range(order):
        f = jax.jacrev(f)
    return f


def forward_over_reverse(f, order):
    return forward(jax.jacrev(f), order - 1)


def linearized(f, order):
    for _ in range(order):
        f = partial(lambda f, t: jax.linearize(f, t)[1](jnp.ones_like(t)), f)
    return f


MODES = {
    "forward": forward,
    "reverse": reverse,
    "forward over reverse": forward_over_reverse,
    "linearize": linearized,
}


def check(name, derivative, order, dtype):
    # float32: each order loses digits where a rule is dropped
    rtol = {"float32": (2e-6, 3e-4, 2e-2), "float64": (1e-13, 1e-9, 1e-6)}[dtype][order - 1]
    with jax.enable_x64(dtype == "float64"):
        got = derivative(jnp.asarray(0.0, dtype))
    expected = np.array(exact(name, order))
    np.testing.assert_allclose(got, expected, rtol=rtol, atol=rtol * np.abs(expected).max())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nb", "mixture"])
def test_second_derivatives_in_scan(name):
    """Reverse over reverse, where custom rules are dropped.

    Forward over reverse is in `test_scan.py`, for every distribution; the rest in the matrix.
    """
    check(name, reverse(scanned(on_line(name)), 2), 2, "float32")


@pytest.mark.slow
@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("transformation", TRANSFORMATIONS)
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_matrix(name, transformation, mode, order, dtype):
    if transformation == "fori_loop" and mode == "reverse" and order == 3:
        pytest.skip("minutes to compile; the scan covers it")
    f = TRANSFORMATIONS[transformation](on_line(name))
    check(name, MODES[mode](f, order), order, dtype)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("nb", marks=pytest.mark.slow),
        pytest.param("zinb", marks=pytest.mark.slow),
        pytest.param("mixture", marks=pytest.mark.slow),
    ],
)
def test_behind_custom_vjp(name):
    check(name, jax.jacrev(behind_custom_vjp(on_line(name))), 1, "float32")
    check(name, jax.jacfwd(lambda t: mapped(on_line(name))(t)), 1, "float32")


@pytest.mark.slow
def test_without_jit():
    with jax.disable_jit():
        check("nb", forward_over_reverse(plain(on_line("nb")), 2), 2, "float32")


@pytest.fixture
def without_rules(monkeypatch):
    """JAX as it is where it drops the rules of `custom_jvp`."""

    def undecorated(self, *args, **kwargs):
        return self.fun(*args, **kwargs)

    jax.clear_caches()
    monkeypatch.setattr(jax.custom_jvp, "__call__", undecorated)
    yield
    jax.clear_caches()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "dtype"),
    [(name, dtype) for name in FUNCTIONS for dtype in ("float32", "float64")],
)
def test_without_any_rule(name, dtype, without_rules):
    """One operation at a time: compiled, the mixture's third derivative takes XLA minutes."""
    with jax.disable_jit():
        for order in (1, 2, 3):
            check(name, forward(plain(on_line(name)), order), order, dtype)
