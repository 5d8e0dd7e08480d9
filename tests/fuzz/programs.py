"""Programs that evaluate a function and its derivatives, in several orders of differentiation."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np


def _gradient(function):
    """Of the values with respect to every parameter, stacked in front."""

    def of(*parameters):
        value, pull = jax.vjp(function, *parameters)
        return jnp.stack(pull(jnp.ones_like(value)))

    return of


def _tangents(function):
    """The same by forward mode."""

    def of(*parameters):
        return jnp.stack(
            [jax.jvp(function, parameters, direction)[1] for direction in _basis(parameters)]
        )

    return of


def _basis(parameters):
    for k in range(len(parameters)):
        yield tuple(
            jnp.ones_like(p) if i == k else jnp.zeros_like(p) for i, p in enumerate(parameters)
        )


def _jacobian_by_vjp(function):
    def of(*parameters):
        value, pull = jax.vjp(function, *parameters)
        rows = [
            jnp.stack(pull(jnp.zeros_like(value).at[k].set(1.0))) for k in range(len(parameters))
        ]
        return jnp.stack(rows)

    return of


ORDERS = {
    "jvp of vjp": lambda f: _tangents(_gradient(f)),
    "vjp of vjp": lambda f: _jacobian_by_vjp(_gradient(f)),
    "jvp of jvp": lambda f: _tangents(_tangents(f)),
    "vjp of jvp": lambda f: _jacobian_by_vjp(_tangents(f)),
}
"""From a function of parameters to its Hessian, element by element, in front of their axes."""


@cache
def _program(function, orders):
    @jax.jit
    def program(first, parameters):
        def of(*p):
            return function(*first, *p)

        value, pull = jax.vjp(of, *parameters)
        gradient = pull(jnp.ones_like(value))
        return value, gradient, {order: ORDERS[order](of)(*parameters) for order in orders}

    return program


def differentiated(function, first, parameters, orders=()):
    """Values, gradient and Hessians of function(*first, *parameters) in the parameters."""
    with jax.enable_x64(parameters[0].dtype == np.float64):
        found = _program(function, tuple(orders))(tuple(first), tuple(parameters))
        return jax.tree.map(np.asarray, found)
