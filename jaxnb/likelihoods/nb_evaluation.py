"""The log-probability of the negative binomial and its first and second derivatives, everywhere.

One evaluation of `nb_kernel`, at arguments that `ranges` has moved into its range, and the cost of
the move in closed form. With `everywhere=False` it is the same code without the moves, for
arguments that are `ranges.ordinary`.

Derivatives in mu contain no gamma function. They are functions of x, p, q and 1 / m of the
arguments as given, which follow from those at the point moved to:

    dl/dmu = p (x - mu) / mu,              d2l/dmu2 = p / m - x p (1 + q) / mu**2,
    d2l/dmu dt = c / m,                    d2l/dlog(mu) dlog(t) = q dl/dlog(mu),
    dl/dlog(mu) = p (x - mu),              d2l/dlog(mu)2 = -p (q x + t q).

In which order factors are multiplied is what keeps them from over- and underflow.
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from jaxnb._types import Array
from jaxnb.likelihoods import nb_in_x, nb_kernel
from jaxnb.likelihoods.arguments import Scales, largest
from jaxnb.likelihoods.dispersion import Dispersion
from jaxnb.likelihoods.limits import limits
from jaxnb.likelihoods.nb_fraction import Fraction
from jaxnb.likelihoods.ranges import Point, Theta, ThetaMove, move
from jaxnb.special.elementary import reciprocal
from jaxnb.special.log1p import log, log1p_minus_x

__all__ = ["NegativeBinomial"]


class NegativeBinomial:
    """The distribution at x, with mean a and theta b, each on its scale.

    What is used of it is computed; XLA removes the rest.

    Args:
        scales: The scales of mean and theta.
        x: Counts.
        a: The mean.
        b: Theta.
        eps: The floor on the mean.
        theta: Of b, by `ranges.theta_within`; its `move` is None for ordinary arguments.
        phi_c: phi(c) of `nb_kernel`, from a caller that has computed it before (ordinary only).
    """

    def __init__(
        self,
        scales: Scales,
        x: Array,
        a: Array,
        b: Array,
        eps: Array,
        theta: Theta,
        phi_c: Array | None = None,
    ) -> None:
        self.linear_mu, self.linear_theta = (scale == "linear" for scale in scales)
        self._x, self._a, self._b, self.theta = x, a, b, theta
        floor = eps if self.linear_mu else jnp.log(eps)
        self._below = a < floor
        self._mean = jnp.where(self._below, floor, a)
        mu = self._mean if self.linear_mu else jnp.exp(self._mean)
        self._d, self._largest = theta.d, float(np.finfo(x.dtype).max)
        self._infinity, self._at_zero = largest(x.dtype), x <= 0
        self.move: ThetaMove | None = theta.move
        self.point: Point | None = None
        self._fraction: Fraction | None = None
        if theta.move is None:
            self._ordinary(x, mu, phi_c)
        else:
            self._moved(theta.move, move(scales, x, a, floor, self._d, theta.move), x, mu)

    def _ordinary(self, x: Array, mu: Array, phi_c: Array | None) -> None:
        t = self._d.theta
        self._x_in, self._mu_in, self._t_in = x, mu, t
        self._r = nb_kernel.ratios(x, mu, t, phi_c)
        self.inverse_m = self._r.inverse_m
        self.p, self.q = t * self.inverse_m, mu * self.inverse_m
        self.count, self.theta_q = x, mu * self.p
        self._c = (x - mu) * self.inverse_m
        self.inverse_mu = reciprocal(jnp.where(self._at_zero, 1.0, mu))
        self._d_log_mu = (x - mu) * self.p
        self._per_mu = jnp.where(self._at_zero, -1.0, (x - mu) * self.inverse_mu) * self.p

    def _moved(self, move_of_theta: ThetaMove, point: Point, x: Array, mu: Array) -> None:
        self.point = point
        self._x_in, self._mu_in, self._t_in = point.x, point.mu, point.theta
        self._r = nb_kernel.ratios(point.x, point.mu, point.theta, scale=point.scale)
        inverse_m = self._r.inverse_m
        self._fraction = back = Fraction(point, self._d, inverse_m)
        p, q = point.theta * inverse_m, point.mu * inverse_m
        smaller = point.r_over * back.m_ratio

        def times_p(value: Array) -> Array:
            # p itself may underflow, and so may its factors
            usual = p > float(np.finfo(x.dtype).tiny) * 2.0**26
            product = jnp.where(usual, value * p, (value * inverse_m) * point.theta)
            return product * smaller

        def times_q(value: Array) -> Array:
            # as above; on the log scale r underflows with the mean
            usual = q > float(np.finfo(x.dtype).tiny) * 2.0**26
            product = jnp.where(usual, value * q, (value * inverse_m) * point.mu)
            if point.normal:
                return product * (point.r * back.m_ratio)
            root = jnp.exp(point.log_r / 2)
            return (product * root) * (root * back.m_ratio)

        self._times_p: Callable[[Array], Array] = times_p
        self._times_q: Callable[[Array], Array] = times_q
        self.p, self.q = p * smaller, q * (point.r * back.m_ratio)
        unscaled = inverse_m * point.scale.down * move_of_theta.up
        self.inverse_m = jnp.minimum(unscaled * smaller, move_of_theta.inverse)
        bounded = jnp.minimum(mu, self._largest / 4)
        if self.linear_mu or self.linear_theta:
            theta_larger = self.theta.value > bounded
        else:
            theta_larger = self._b > self._mean
        theta_q = jnp.where(theta_larger, bounded * self.p, self.theta.value * self.q)
        self.theta_q = jnp.minimum(theta_q, self._largest / 4)
        self.count = jnp.clip(x, 0.0, self._largest / 4)
        self.inverse_mu = point.inverse_mu
        # x - mu, over mu where that is the larger number
        large = mu > 1
        away = self.count - bounded
        away = jnp.where(large, away * point.inverse_mu, away)
        c = away * jnp.where(large, self.q, self.inverse_m)
        self._c = jnp.clip(c, -self._largest, self._largest)
        self._d_log_mu = away * jnp.where(large, self.theta_q, self.p)
        per_mu = jnp.where(large, times_p(away), away * (self.p * point.inverse_mu))
        self._per_mu = jnp.where(self._at_zero, -self.p, per_mu)

    # -- the value ------------------------------------------------------------------------------

    def value(self) -> Array:
        """The log-probability."""
        point, moved = self.point, self.move
        back = self._fraction
        if point is None or moved is None or back is None:
            return nb_kernel.log_nb(*self._inside())
        x, mu, t, d, r = self._inside()
        d = d._replace(log_scale=jnp.where(point.fraction, d.scale_less_log, d.log_scale))
        value = nb_kernel.log_nb(x, mu, t, d, r, large=True, inverse_square=back.inverse_square())
        of_under = jnp.where(point.under, point.own_x * point.log_under, 0.0)
        at_zero = point.under & (point.own_x == 0)
        value = jnp.where(at_zero, value * point.r, value + of_under) + back.of_mean_or_far()
        value = value + self._r.unscaled(point.theta * point.log_r_over)
        at_zero = value * moved.down
        return self._with_ends(jnp.where(point.own_x > 0, value - moved.log_up, at_zero))

    def value_of_positive(self, inverse_positive: Array) -> Array:
        """log(P(x) / P(X > 0)) for whole x > 0.

        Args:
            inverse_positive: 1 / P(X > 0). In forms `under` and `small`, where that is proportional
                to what P(x) is, it is the one at the point moved to.
        """
        point, moved = self.point, self.move
        arguments = self._inside()
        back = self._fraction
        if point is None or moved is None or back is None:
            return nb_kernel.log_nb(*arguments, factor=inverse_positive)
        value = nb_kernel.log_nb(*arguments, large=True, factor=inverse_positive)
        value = value + (point.own_x - 1) * point.log_under + back.of_mean_or_far()
        value = value + self._r.unscaled(point.theta * point.log_r_over)
        return self._with_ends(value, fewest=1)

    def _inside(self) -> tuple[Array, Array, Array, Dispersion, nb_kernel.Ratios]:
        return self._x_in, self._mu_in, self._t_in, self._d, self._r

    def _with_ends(self, value: Array, fewest: int = 0) -> Array:
        """Where x cannot occur, or an argument is NaN; a mean of 0 has the fewest counts."""
        point, moved = self.point, self.move
        assert point is not None
        assert moved is not None
        impossible = (self._x > fewest) & point.nothing | (self._x > 0) & moved.nothing
        outside = (self._x < 0) | (self._x == jnp.inf) | (self._mean == jnp.inf)
        value = jnp.where(outside | impossible, -jnp.inf, value)
        return jnp.where(self.undefined(), jnp.nan, value)

    def value_for_difference(self) -> Array:
        """The value, short of what depends on x alone; for ordinary arguments."""
        return nb_kernel.log_nb(*self._inside(), of_x=False)

    def value_at_zero(self) -> Array:
        """The value where x = 0, at less cost; elsewhere anything. For ordinary arguments."""
        return self._t_in * (self._r.phi_c + self._r.c)

    def d_theta_at_zero(self) -> Array:
        """The derivative in theta where x = 0, in the same way."""
        return self._r.phi_c if self.linear_theta else self._t_in * self._r.phi_c

    def phi_c(self) -> Array:
        """phi(c)."""
        return self._r.phi_c

    def undefined(self) -> Array:
        """Whether an argument is NaN, or a parameter negative."""
        undefined = jnp.isnan(self._x) | jnp.isnan(self._a) | jnp.isnan(self._b)
        if self.linear_mu:
            undefined |= self._a < 0
        if self.linear_theta:
            undefined |= self._b < 0
        return undefined

    # -- derivatives, by the places of their coordinates among (x, mu, theta) --------------------

    def first(self, place: int) -> Array:
        """The first derivative in a coordinate."""
        derivative = (self._d_x, self._d_mu, self._d_theta)[place]()
        return self.within(derivative, {place}, second=False)

    def second(self, place: int, other: int) -> Array:
        """The second derivative in two of them."""
        by_places: dict[tuple[int, int], Callable[[], Array]] = {
            (0, 0): self._d_x_d_x,
            (0, 1): self._d_x_d_mu,
            (0, 2): self._d_x_d_theta,
            (1, 1): self._d_mu_d_mu,
            (1, 2): self._d_mu_d_theta,
            (2, 2): self._d_theta_d_theta,
        }
        derivative = by_places[min(place, other), max(place, other)]()
        return self.within(derivative, {place, other}, second=True)

    def within(self, derivative: Array, places: set[int], *, second: bool) -> Array:
        """Finite, and 0 where the value does not depend on the coordinate."""
        if 2 in places:  # Poisson's distribution, of which the stand-in has another derivative
            derivative = jnp.where(self._t_in >= self._infinity, 0.0, derivative)
        if second or self.point is not None:  # first derivatives do not overflow in the range
            derivative = jnp.clip(derivative, -self._largest, self._largest)
        if 1 in places:
            derivative = jnp.where(self._below, 0.0, derivative)
        if self.point is None:
            return derivative
        return jnp.where(self.undefined(), jnp.nan, jnp.where(self._x < 0, 0.0, derivative))

    def _d_mu(self) -> Array:
        return self._per_mu if self.linear_mu else self._d_log_mu

    def _d_mu_d_mu(self) -> Array:
        p, q = self.p, self.q
        if not self.linear_mu:
            if self.point is None:
                return -p * (q * self.count + self.theta_q)
            return -self._times_p(self._times_q(self.count)) - p * self.theta_q
        over_mu = (self.count * self.inverse_mu) * (1 + q)
        of_count = over_mu * (p * self.inverse_mu)
        if self.point is not None:
            large = self.inverse_mu < 1
            of_count = jnp.where(large, self._times_p(over_mu) * self.inverse_mu, of_count)
        return p * self.inverse_m - jnp.where(self._at_zero, 0.0, of_count)

    def _d_mu_d_theta(self) -> Array:
        if self.linear_mu:
            return self._c * (self.inverse_m if self.linear_theta else self.p)
        of_mean = self._c if self.linear_theta else self._d_log_mu
        return of_mean * self.q if self.point is None else self._times_q(of_mean)

    def _d_theta(self) -> Array:
        if not self.linear_theta:
            return self.theta_d_theta()
        derivative = self._d_theta_inside(less_inverse=False)
        if self.point is None or self.move is None:
            return derivative
        derivative = derivative - self.point.further * (self._r.inverse_m * self.point.r_over)
        return derivative * jnp.where(self.point.own_x > 0, self.move.up, 1.0)

    def theta_d_theta(self, *, less_inverse: bool = False) -> Array:
        """t dl/dt, or t (dl/dt - 1/t) for x >= 2 and small t."""
        derivative = self._d_theta_inside(less_inverse=less_inverse)
        point = self.point
        if point is None:
            return self._t_in * derivative
        unmoved = jnp.minimum(self.theta.value, self._infinity)
        t = jnp.where((point.own_x > 0) | point.huge, point.theta, unmoved)
        of_far = point.further * self.p
        return self._r.unscaled(t) * derivative - self._r.unscaled(of_far)

    def _d_theta_inside(self, *, less_inverse: bool) -> Array:
        """dl/dt, in form `small` that at the point moved to; in form `far` less (x_0 - x) / m."""
        derivative = nb_kernel.d_theta(self._x_in, self._d, self._r, less_inverse=less_inverse)
        point, back = self.point, self._fraction
        if point is None or back is None:
            return derivative
        derivative = jnp.where(point.fraction, back.d_theta(), self._proportional_to_mu(derivative))
        return derivative + point.log_r_over + point.log_further

    def _d_theta_d_theta(self) -> Array:
        return self.d_theta_d_theta() if self.linear_theta else self.d_log_theta_d_log_theta()

    def d_theta_d_theta(self) -> Array:
        """d2l/dt2."""
        derivative = nb_kernel.d_theta_d_theta(*self._inside())
        point, moved, back = self.point, self.move, self._fraction
        if point is None or moved is None or back is None:
            return derivative
        derivative = self._proportional_to_mu(derivative)
        derivative = jnp.where(point.fraction, back.d_theta_d_theta(), derivative)
        inverse_m = self._r.inverse_m * point.r_over
        derivative = derivative + (point.further * inverse_m) * (inverse_m * point.scale.down)
        return jnp.where(point.own_x > 0, derivative * moved.up, derivative) * moved.up

    def d_log_theta_d_log_theta(self) -> Array:
        """d2l/dlog(t)2."""
        derivative = nb_kernel.d_log_theta_d_log_theta(*self._inside(), self.q)
        point, moved, back = self.point, self.move, self._fraction
        if point is None or moved is None or back is None:
            return derivative
        of_fraction = back.d_log_theta_d_log_theta(derivative)
        derivative = self._proportional_to_mu(derivative)
        derivative = jnp.where(point.fraction, of_fraction, derivative)
        of_far = self._times_p(point.further) * self.q
        derivative = derivative + self._r.unscaled(
            point.theta * (point.log_r_over + point.log_further) - of_far
        )
        # what is proportional to theta is not that at the point moved to
        of_small = self.theta.value * (self._phi_of_minus_q() + self.q * self.q)
        of_small = of_small - self._times_p(self.count) * self.q
        derivative = jnp.where(moved.small & (point.own_x > 0), of_small, derivative)
        return jnp.where(moved.small & (point.own_x == 0), derivative * moved.down, derivative)

    def _phi_of_minus_q(self) -> Array:
        """phi(-q) = log(p) + q."""
        p, q = self._t_in * self._r.inverse_m, self._mu_in * self._r.inverse_m
        phi = log1p_minus_x(-q, p)
        if self.point is None:
            return phi
        under = phi * (self.point.r * self.point.r)
        return jnp.where(self.point.under, under, phi + self.point.log_r_over)

    def _proportional_to_mu(self, derivative: Array) -> Array:
        """Derivatives in theta of form `under`: at x = 1 they vanish with mu, at x = 0 as mu**2."""
        point = self.point
        assert point is not None
        factor = jnp.where(point.own_x == 1, point.r, 1.0)
        factor = jnp.where(point.own_x == 0, point.r * point.r, factor)
        return jnp.where(point.under, derivative * factor, derivative)

    # -- for the distribution without its zeros --------------------------------------------------

    def log_m_over_theta(self) -> tuple[Array, Array]:
        """log(m / t), and t q at the point moved to; x > 0 and whole."""
        p, q = self._t_in * self._r.inverse_m, self._mu_in * self._r.inverse_m
        z = q - log1p_minus_x(-q, p)
        # one of the factors may underflow
        inside = jnp.maximum(self._r.unscaled(self._t_in) * q, self._r.unscaled(self._mu_in * p))
        if self.point is None:
            return z, inside
        # p itself may underflow
        lift, tiny = limits(p.dtype).lift, float(np.finfo(p.dtype).tiny)
        lifted = jnp.where(p < tiny * 2.0**26, (self._t_in * lift) * self._r.inverse_m, lift)
        z = jnp.where(lifted < lift, float(np.log(lift)) - log(lifted), z)
        point = self.point
        return jnp.where(point.under, z * point.r, z - point.log_r_over), inside

    # -- derivatives in x, which are rarely asked for --------------------------------------------

    def _bounded_theta(self) -> Array:
        return jnp.minimum(self.theta.value, self._infinity)

    def _bounded_count(self) -> Array:
        return jnp.minimum(self.count, self._infinity)

    def _n(self) -> Array:
        return jnp.minimum(self.count + self.theta.value, self._infinity)

    def _d_x(self) -> Array:
        log_q = log(self._mu_in * self._r.inverse_m)
        if self.point is not None and self._fraction is not None:
            q = self._mu_in * (self._r.inverse_m * self._fraction.m_ratio)
            log_q = log(q) + self.point.log_r
        count = self._bounded_count()
        return nb_in_x.d_x(count, self._n(), self.theta.value, self._d_log_mu, log_q)

    def _d_x_d_x(self) -> Array:
        return nb_in_x.d_x_d_x(self._bounded_count(), self._n(), self._bounded_theta())

    def _d_x_d_mu(self) -> Array:
        if not self.linear_mu:
            return self.p
        # of ordinary arguments, 1 / mu is kept for positive counts only
        inverse_mu = reciprocal(self._mu_in) if self.point is None else self.inverse_mu
        return self.p * inverse_mu

    def _d_x_d_theta(self) -> Array:
        derivative = nb_in_x.d_x_d_theta(self._n(), self._c)
        return derivative if self.linear_theta else self._bounded_theta() * derivative
