"""Numbers that carry their first and second derivatives, of many digits."""

from fuzz import reals

ZERO = reals.number(0)


class Jet:
    """A number, its gradient, and the upper triangle of its Hessian, row by row."""

    __slots__ = ("first", "second", "value")

    def __init__(self, value, first, second):
        self.value, self.first, self.second = value, first, second

    @classmethod
    def variables(cls, values):
        """The variables with respect to which everything is differentiated."""
        n = len(values)
        no_second = [ZERO] * (n * (n + 1) // 2)
        return [
            cls(reals.number(value), [reals.number(int(i == k)) for i in range(n)], no_second)
            for k, value in enumerate(values)
        ]

    def constant(self, value):
        """A number that depends on none of them."""
        return Jet(reals.number(value), [ZERO] * len(self.first), [ZERO] * len(self.second))

    def through(self, value, d, dd):
        """A function of this number, by its value and derivatives there."""
        pairs = _pairs(len(self.first))
        second = [
            d * s + dd * self.first[i] * self.first[j]
            for s, (i, j) in zip(self.second, pairs, strict=True)
        ]
        return Jet(value, [d * f for f in self.first], second)

    def _other(self, other):
        return other if isinstance(other, Jet) else self.constant(other)

    def __add__(self, other):
        other = self._other(other)
        return Jet(
            self.value + other.value,
            [a + b for a, b in zip(self.first, other.first, strict=True)],
            [a + b for a, b in zip(self.second, other.second, strict=True)],
        )

    def __mul__(self, other):
        if not isinstance(other, Jet):
            return Jet(
                self.value * other,
                [f * other for f in self.first],
                [s * other for s in self.second],
            )
        a, b = self, other
        return Jet(
            a.value * b.value,
            [a.value * q + b.value * p for p, q in zip(a.first, b.first, strict=True)],
            [
                a.value * t + b.value * s + a.first[i] * b.first[j] + a.first[j] * b.first[i]
                for s, t, (i, j) in zip(a.second, b.second, _pairs(len(a.first)), strict=True)
            ],
        )

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + (-other)

    def __rsub__(self, other):
        return -self + other

    def __truediv__(self, other):
        return self * (other.reciprocal() if isinstance(other, Jet) else 1 / reals.number(other))

    def __rtruediv__(self, other):
        return self.reciprocal() * other

    def reciprocal(self):
        r = 1 / self.value
        return self.through(r, -r * r, 2 * r**3)

    def placed(self, places, n):
        """The same number as a function of n variables, of which its own have these places."""
        first, second = [ZERO] * n, [ZERO] * (n * (n + 1) // 2)
        number_of = {pair: k for k, pair in enumerate(_pairs(n))}
        for f, place in zip(self.first, places, strict=True):
            first[place] = f
        for s, (i, j) in zip(self.second, _pairs(len(places)), strict=True):
            second[number_of[tuple(sorted((places[i], places[j])))]] = s
        return Jet(self.value, first, second)

    def known(self, error=0, sizes=None, second=True, bits=reals.ENOUGH, nothing=0, zero=0):
        """The same in numbers of mpmath.

        Derivatives are known to these bits, or those in the variables times their `sizes` within an
        error of what they are, or all within `nothing`; without `second` there are only first ones.
        With `nothing`, those that many digits do not give are NaN. The value is known to the bits,
        or within `zero`.
        """
        sizes = sizes or [1] * len(self.first)
        pairs = [(i,) for i in range(len(sizes))] + _pairs(len(sizes)) * second
        found = []
        for d, places in zip([*self.first, *self.second], pairs, strict=False):
            room = error
            for place in places:
                room /= sizes[place]
            found.append(reals.known(d, max(room, nothing), bits, nothing > 0))
        n = len(sizes)
        return Jet(reals.known(self.value, zero), found[:n], found[n:] if second else None)

    def hessian(self):
        """The whole of it, as lists."""
        n = len(self.first)
        at = dict(zip(_pairs(n), self.second, strict=True))
        return [[at[min(i, j), max(i, j)] for j in range(n)] for i in range(n)]


def _pairs(n):
    return [(i, j) for i in range(n) for j in range(i, n)]


def log(a):
    return a.through(reals.log(a.value), 1 / a.value, -1 / a.value**2)


def log1p(a):
    r = 1 / (1 + a.value)
    return a.through(reals.log1p(a.value), r, -r * r)


def exp(a):
    e = reals.exp(a.value)
    return a.through(e, e, e)


def expm1(a):
    e = reals.exp(a.value)
    return a.through(reals.expm1(a.value), e, e)


def sqrt(a):
    root = reals.sqrt(a.value)
    return a.through(root, 1 / (2 * root), -1 / (4 * root**3))


def loggamma(a):
    z = a.value
    return a.through(reals.loggamma(z), reals.digamma(z), reals.trigamma(z))
