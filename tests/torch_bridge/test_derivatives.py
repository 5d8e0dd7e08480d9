"""Derivatives: every mode, transform and order of torch's, in float64 without JAX's x64."""

import contextlib
import threading

import jax
import pytest
from torch_bridge.cases import (
    CASES,
    NEGATIVE_BINOMIAL,
    ZERO_INFLATED,
    bridge,
    one_case,
    parameters,
    torch,
)

from jaxnb.torch_bridge import _private, exchange, pointwise


@pytest.fixture(autouse=True)
def without_x64():
    with jax.enable_x64(False):
        yield


def of_mean(case):
    """The sum of a log-likelihood as a function of its first mean, in float64."""
    mu, *others = parameters(case)
    return (lambda m: case(case.counts(), m, *others).sum()), mu


@one_case()
def test_gradcheck(case):
    assert torch.autograd.gradcheck(
        lambda *p: case(case.counts(), *p),
        parameters(case, requires_grad=True),
        check_forward_ad=True,
        check_batched_grad=True,
        check_batched_forward_grad=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=repr)
def test_second_derivatives_are_differences_of_the_first(case):
    """Of that in the first parameter, in it and in the one after it, if there is one."""
    every = parameters(case)
    pair, rest = every[:2], every[2:]

    def gradients(*pair, **options):
        pair = [p.detach().requires_grad_() for p in pair]
        value = case(case.counts(), *pair, *rest).sum()
        return pair, torch.autograd.grad(value, pair, **options)

    leaves, (in_first, *_) = gradients(*pair, create_graph=True)
    second = torch.autograd.grad(in_first.sum(), leaves)
    step = 1e-5
    for place, found in enumerate(second):
        up, down = list(pair), list(pair)
        up[place], down[place] = up[place] + step, down[place] - step
        numeric = (gradients(*up)[1][0] - gradients(*down)[1][0]) / (2 * step)
        torch.testing.assert_close(found, numeric, rtol=1e-6, atol=1e-8)


@one_case()
def test_gradgradcheck(case):
    leaves = parameters(case, requires_grad=True)
    assert torch.autograd.gradgradcheck(
        lambda *p: case(case.counts(), *p),
        leaves,
        check_fwd_over_rev=True,
        check_rev_over_rev=True,
    )


def test_derivative_in_the_counts():
    x = torch.tensor([2.5, 7.0, 31.0], dtype=torch.float64, requires_grad=True)
    mu, theta = torch.tensor([1.0, 8.0, 30.0]).double(), torch.tensor([0.5, 2.0, 1e3]).double()
    assert torch.autograd.gradcheck(lambda x: bridge.log_nb_positive(x, mu, theta), [x])


@pytest.mark.slow
@one_case(ZERO_INFLATED)
@pytest.mark.parametrize("counts_first", [True, False])
def test_mixed_derivative_in_a_count_and_a_mean(case, counts_first):
    """In either order; of the functions on arrays, the derivative in x of that in mu.

    The zero-inflated one has programs of its own for first derivatives, which leave out x.
    """
    x = torch.tensor([0.0, 0.0, 2.5], dtype=torch.float64) + case.counts().min()
    mu, *others = parameters(case, shape=(3,))
    leaves = [x.requires_grad_(), mu.requires_grad_()]
    first, second = leaves if counts_first else leaves[::-1]
    value = case(x, mu, *others).sum()
    (once,) = torch.autograd.grad(value, first, create_graph=True)
    (mixed,) = torch.autograd.grad(once.sum(), second)
    with jax.enable_x64(True):
        plain = [t.detach().numpy() for t in (x, mu, *others)]
        in_mu = jax.grad(lambda *a: case.arrays.log_prob(*a).sum(), argnums=1)
        expected = jax.jit(jax.grad(lambda *a: in_mu(*a).sum(), argnums=0))(*plain)
    assert (mixed != 0).all()
    torch.testing.assert_close(
        mixed, torch.tensor(expected.tolist(), dtype=mu.dtype), rtol=1e-9, atol=0
    )


@one_case()
def test_third_derivative(case):
    f, mu = of_mean(case)

    def gradient_norm(m):
        return torch.func.grad(f)(m).square().sum()

    gradient = torch.func.grad(gradient_norm)
    hessian = torch.func.hessian(gradient_norm)(mu)
    step = 1e-5 * torch.ones_like(mu)
    numeric = (gradient(mu + step) - gradient(mu - step)) / 2e-5
    assert numeric.abs().min() > 0
    torch.testing.assert_close(hessian.sum(dim=(2, 3)), numeric, rtol=1e-6, atol=1e-8)


TRANSFORMS = {
    "func.hessian": torch.func.hessian,
    "jacfwd of jacfwd": lambda f: torch.func.jacfwd(torch.func.jacfwd(f)),
    "jacrev of jacrev": lambda f: torch.func.jacrev(torch.func.jacrev(f)),
    "jacrev of jacfwd": lambda f: torch.func.jacrev(torch.func.jacfwd(f)),
    "autograd.functional.hessian": lambda f: lambda m: torch.autograd.functional.hessian(f, m),
    "autograd.functional.hessian, vectorized": lambda f: (
        lambda m: torch.autograd.functional.hessian(f, m, vectorize=True)
    ),
}


@one_case()
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_every_way_to_a_second_derivative(case, transform):
    f, mu = of_mean(case)
    hessian = TRANSFORMS[transform](f)(mu).reshape(6, 6)
    step = 1e-6
    first = torch.func.grad(f)
    numeric = (first(mu + step) - first(mu - step)) / (2 * step)
    torch.testing.assert_close(hessian, torch.diag(numeric.flatten()), rtol=1e-6, atol=1e-8)


def test_forward_mode_thrice():
    f, mu = of_mean(NEGATIVE_BINOMIAL)
    jacfwd, jacrev = torch.func.jacfwd, torch.func.jacrev
    forward = jacfwd(jacfwd(jacfwd(f)))(mu)
    assert forward.abs().max() > 1e-3
    torch.testing.assert_close(forward, jacrev(jacrev(jacrev(f)))(mu))
    torch.testing.assert_close(forward, jacfwd(jacrev(jacfwd(f)))(mu))


@one_case()
def test_dual_numbers(case):
    f, mu = of_mean(case)
    direction = torch.linspace(-1, 1, 6, dtype=torch.float64).reshape(2, 3)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(mu, direction)
        tangent = torch.autograd.forward_ad.unpack_dual(f(dual)).tangent
    torch.testing.assert_close(tangent, (torch.func.grad(f)(mu) * direction).sum())


@one_case()
def test_vmap(case):
    (mu, *others), x = parameters(case), case.counts()
    vmap, grad = torch.func.vmap, torch.func.grad
    assert torch.equal(vmap(case)(x, mu, *others), case(x, mu, *others))
    columns = vmap(case, in_dims=1, out_dims=1)(x, mu, *others)
    assert torch.equal(columns, case(x, mu, *others))
    one_x = vmap(lambda m: case(x[0], m, *(o[0] for o in others)))(mu)
    assert torch.equal(one_x, case(x[0], mu, *(o[0] for o in others)))
    gradients = vmap(grad(lambda m, x, *o: case(x, m, *o).sum()))(mu, x, *others)
    leaf = mu.clone().requires_grad_()
    case(x, leaf, *others).sum().backward()
    assert torch.equal(gradients, leaf.grad)
    per_count = vmap(vmap(grad(case, argnums=1)))(x, mu, *others)
    assert torch.equal(per_count, leaf.grad)


@one_case()
def test_gradient_of_a_gradient_penalty(case):
    mu, *others = parameters(case)
    leaf = mu.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(
        case(case.counts(), leaf, *others).sum(), leaf, create_graph=True
    )
    gradient.square().sum().backward()
    f, _ = of_mean(case)
    expected = torch.func.grad(lambda m: torch.func.grad(f)(m).square().sum())(mu)
    torch.testing.assert_close(leaf.grad, expected)


@pytest.mark.quick
def test_weights_reach_the_gradient():
    # the first derivative multiplies in place: twice through one graph must not see it
    mu = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    value = bridge.log_nb_positive(torch.tensor([0.0, 5.0, 2.0]), mu, 2.0)
    weights = torch.tensor([1.0, -2.0, 0.5])
    (plain,) = torch.autograd.grad(value.sum(), mu, retain_graph=True)
    (weighted,) = torch.autograd.grad((weights * value).sum(), mu, retain_graph=True)
    (again,) = torch.autograd.grad(value.sum(), mu)
    assert torch.equal(plain, again)
    torch.testing.assert_close(weighted, weights * plain)
    # nor may it where the gradient is differentiated in the weights
    weights.requires_grad_()
    value = bridge.log_nb_positive(torch.tensor([0.0, 5.0, 2.0]), mu, 2.0)
    (weighted,) = torch.autograd.grad((weights * value).sum(), mu, create_graph=True)
    weighted.sum().backward()
    torch.testing.assert_close(weights.grad, plain)


@pytest.mark.parametrize("without", [None, "keeps_graph"])
def test_backward_again_and_in_some_parameters_only(without, monkeypatch):
    """What the first pass found is neither used up nor written to."""
    if without:
        monkeypatch.setitem(_private._found, without, None)
    mu, theta = parameters(NEGATIVE_BINOMIAL, requires_grad=True)
    value = NEGATIVE_BINOMIAL(NEGATIVE_BINOMIAL.counts(), mu, theta)
    weights = torch.arange(6.0, dtype=torch.float64).reshape(2, 3)
    first = torch.autograd.grad(value, (mu, theta), weights, retain_graph=True)
    again = torch.autograd.grad(value, (mu, theta), weights, retain_graph=True)
    in_graph = torch.autograd.grad(value, (mu, theta), weights, create_graph=True)
    (in_theta,) = torch.autograd.grad(value, theta, 2 * weights)
    for a, b, c in zip(first, again, in_graph, strict=True):
        assert torch.equal(a, b)
        torch.testing.assert_close(c, a)
    torch.testing.assert_close(in_theta, 2 * first[1])
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(value, mu, weights)


def test_backward_asks_jax_for_nothing(monkeypatch):
    """The value and the derivatives that are required come from one program."""
    calls = []

    def noting(function, *arguments):
        calls.append(function)
        return exchange.call(function, *arguments)

    monkeypatch.setattr(pointwise, "call", noting)
    mu, theta = parameters(NEGATIVE_BINOMIAL, requires_grad=True)
    NEGATIVE_BINOMIAL(NEGATIVE_BINOMIAL.counts(), mu, theta).sum().backward()
    assert len(calls) == 1
    NEGATIVE_BINOMIAL(NEGATIVE_BINOMIAL.counts(), mu.detach(), theta).sum().backward()
    assert len(calls) == 2
    assert calls[0] is not calls[1]  # no derivative in a mean that needs none


def test_what_is_saved_may_be_moved_meanwhile():
    mu, theta = parameters(NEGATIVE_BINOMIAL, requires_grad=True)
    packed = []

    def pack(tensor):
        packed.append(tensor.shape)
        return tensor.numpy(force=True).copy()

    with torch.autograd.graph.saved_tensors_hooks(pack, torch.from_numpy):
        value = NEGATIVE_BINOMIAL(NEGATIVE_BINOMIAL.counts(), mu, theta).sum()
    found = torch.autograd.grad(value, (mu, theta))
    assert len(packed) == 5  # the three arguments and two derivatives
    plain = NEGATIVE_BINOMIAL(NEGATIVE_BINOMIAL.counts(), mu, theta).sum()
    for ours, expected in zip(found, torch.autograd.grad(plain, (mu, theta)), strict=True):
        assert torch.equal(ours, expected)


def test_checkpoint():
    f, mu = of_mean(ZERO_INFLATED)
    plain, recomputed = (mu.clone().requires_grad_() for _ in range(2))
    f(plain).backward()
    torch.utils.checkpoint.checkpoint(f, recomputed, use_reentrant=False).backward()
    assert torch.equal(plain.grad, recomputed.grad)


@pytest.mark.parametrize("mode", ["autocast", "inference_mode", "no_grad"])
def test_modes(mode):
    x, mu = torch.tensor([0.0, 3.0]), torch.tensor([1.0, 2.0])
    expected = bridge.log_nb_positive(x, mu, 2.0)
    modes = {
        "autocast": torch.autocast("cpu", torch.bfloat16),
        "inference_mode": torch.inference_mode(),
        "no_grad": torch.no_grad(),
    }
    with modes[mode]:
        value = bridge.log_nb_positive(x, mu.requires_grad_(), 2.0)
    assert torch.equal(value, expected)
    assert value.requires_grad == (mode == "autocast")


def test_backward_in_another_thread():
    leaf = torch.tensor([1.0, 2e300], dtype=torch.float64, requires_grad=True)
    value = bridge.log_nb_positive(torch.tensor([3, 4]), leaf, 2.0).sum()
    errors = []

    def backward():
        with contextlib.ExitStack() as stack:
            stack.callback(lambda: errors.append(leaf.grad))
            value.backward()

    thread = threading.Thread(target=backward)
    thread.start()
    thread.join()
    torch.testing.assert_close(errors[0], torch.tensor([4 / 3, -1e-300], dtype=torch.float64))


@pytest.mark.quick
def test_an_input_changed_before_backward_is_noticed():
    mu = torch.tensor([1.0, 2.0], requires_grad=True)
    inner = mu * 1
    value = bridge.log_nb_positive(torch.ones(2), inner, 2.0).sum()
    inner.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        value.backward()


def operator(*tensors, orders=(0, 0, 0)):
    name = "log_nb_positive"
    return torch.ops.jaxnb.partial_derivatives(list(tensors), name, list(orders), 1e-8)


@pytest.mark.parametrize(
    "orders",
    [
        (0, 0, 0),
        # the same operator; its third derivatives are those of `test_third_derivative`
        *(pytest.param(o, marks=pytest.mark.slow) for o in [(0, 1, 0, 0, 0, 1), (0, 1, 1)]),
    ],
)
def test_the_operator_passes_torchs_own_check(orders):
    x, (mu, theta) = NEGATIVE_BINOMIAL.counts(), parameters(NEGATIVE_BINOMIAL, requires_grad=True)
    torch.library.opcheck(
        torch.ops.jaxnb.partial_derivatives.default,
        ([x, mu, theta], "log_nb_positive", list(orders), 1e-8),
    )


def test_the_operator_refuses_forward_mode():
    x, (mu, theta) = NEGATIVE_BINOMIAL.counts(), parameters(NEGATIVE_BINOMIAL)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(mu, torch.ones_like(mu))
        with pytest.raises(RuntimeError, match="no forward-mode derivative"):
            operator(x, dual, theta)


def test_the_operator_under_vmap():
    x, (mu, theta) = NEGATIVE_BINOMIAL.counts(), parameters(NEGATIVE_BINOMIAL)
    (value,) = torch.func.vmap(operator, in_dims=(0, 0, None))(x, mu, theta[0])
    assert torch.equal(value, operator(x, mu, theta[0])[0])
