"""Values: those of the functions on arrays, whatever the dtype, the layout or the shapes."""

import itertools

import jax
import numpy as np
import pytest
from nightly import nightly_but
from torch_bridge.cases import MIXTURE, NEGATIVE_BINOMIAL, bridge, one_case, parameters, torch

from jaxnb.torch_bridge.layout import folded


@pytest.mark.quick
@one_case(NEGATIVE_BINOMIAL, MIXTURE)
def test_values_and_gradients_are_those_of_the_function_on_arrays(case):
    """In float32; test_scales.py has it in float64, by default of one."""
    x, leaves = case.counts(torch.float32), parameters(case, torch.float32, requires_grad=True)
    value = case(x, *leaves)
    value.sum().backward()
    arrays = [x.numpy(), *(leaf.detach().numpy() for leaf in leaves)]
    np.testing.assert_array_equal(value.detach(), jax.jit(case.arrays.log_prob)(*arrays))
    assert value.dtype == torch.float32
    of_sum = jax.grad(lambda *a: case.arrays.log_prob(*a).sum(), argnums=case.arrays.positions)
    for leaf, expected in zip(leaves, jax.jit(of_sum)(*arrays), strict=True):
        np.testing.assert_allclose(leaf.grad, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize(
    ("x", "mu", "theta"),
    list(
        itertools.product(
            [torch.int64, torch.uint8, torch.bool, torch.float32, torch.float64],
            [torch.float32, torch.float64, torch.bfloat16],
            [torch.float32, torch.float64, torch.float16],
        )
    ),
)
def test_dtype_is_what_torch_promotes_to(x64, x, mu, theta):
    tensors = torch.ones(3).to(x), torch.full((3,), 2.0, dtype=mu), torch.full((3,), 0.5).to(theta)
    with jax.enable_x64(x64):
        leaf = tensors[1].requires_grad_()
        value = bridge.log_nb_positive(tensors[0], leaf, tensors[2])
        value.sum().backward()
    assert value.dtype == (tensors[0] * tensors[1] * tensors[2]).dtype
    assert leaf.grad.dtype == mu
    assert abs(value[0].item() - (-1.5 * np.log(5) + np.log(2))) < 10 * torch.finfo(value.dtype).eps


def test_numbers_without_axes_do_not_promote():
    x, mu = torch.ones(2, dtype=torch.int64), torch.ones(2)
    assert bridge.log_nb_positive(x, mu, torch.tensor(2.0, dtype=torch.float64)).dtype == mu.dtype
    assert bridge.log_nb_positive(x, mu, 2.0).dtype == mu.dtype
    scalar = torch.tensor(2.0, dtype=torch.float64)
    assert bridge.log_nb_positive(torch.tensor(1), scalar, 2.0).dtype == torch.float64


def test_large_integers_are_not_rounded_to_32_bits():
    x = torch.tensor([2**31 + 5])
    value = bridge.log_nb_positive(x, torch.tensor([2.0**31], dtype=torch.float64), 3.0)
    same = bridge.log_nb_positive(x.double(), torch.tensor([2.0**31], dtype=torch.float64), 3.0)
    assert value == same
    assert torch.isfinite(value).all()
    huge = bridge.log_nb_positive(
        torch.tensor([3]), torch.tensor([1e300], dtype=torch.float64), 1.0
    )
    assert torch.isfinite(huge).all()  # 1e300 is infinite in float32


def odd_layouts(t):
    """The same values, otherwise laid out."""
    wide = torch.zeros(2 * t.shape[0], 3 * t.shape[1], dtype=t.dtype)
    wide[::2, 1::3] = t
    shifted = torch.zeros(t.numel() + 1, dtype=t.dtype)
    shifted[1:] = t.flatten()
    return {
        "transposed": t.t().contiguous().t(),
        "sliced": wide[::2, 1::3],
        "offset": shifted[1:].view(t.shape),
        "negative": torch._neg_view(-t),
        "flipped": t.flip(0).flip(0),
        "overlapping": t[:, :1].expand(t.shape),
        "unfolded": t.flatten().unfold(0, 2, 1)[:2, :1].expand(t.shape),
        "subclass": torch.nn.Parameter(t.clone()),
    }


@pytest.mark.parametrize("layout", odd_layouts(torch.ones(2, 3)))
@one_case()
def test_every_layout_has_the_values_of_its_copy(case, layout):
    x, (mu, *others) = case.counts(), parameters(case)
    odd = odd_layouts(mu)[layout]
    plain = odd.clone(memory_format=torch.contiguous_format).detach()
    assert torch.equal(case(x, odd, *others), case(x, plain, *others))
    assert torch.equal(case(odd_layouts(x)[layout].round(), mu, *others).isfinite(), mu == mu)


def in_one_program(x, mu, theta):
    """The function of three tensors of one shape, as vectors of a length that is always the same.

    Whatever the shape is, that is one program, and the tensors that it sees have one axis.
    """
    padded = [torch.cat([t.flatten(), t.new_ones(128 - t.numel())]) for t in (x, mu, theta)]
    return bridge.log_nb_positive(*padded)[: x.numel()].reshape(x.shape)


OFTEN = [((4, 5), (4, 1), (5,)), ((0, 5), (0, 5), (5,))]
NIGHTLY = [((), (), ()), ((17, 2), (17, 1), (2,))]
NIGHTLY += [((5,), (5,), ()), ((4, 5), (4, 5), (5,)), ((3, 4, 5), (4, 5), (5,))]
NIGHTLY += [((1, 1), (1, 1), (1,)), ((3, 4, 5), (3, 4, 5), (3, 4, 5))]
NIGHTLY += [((3, 1, 5), (1, 4, 1), (3, 4, 5)), ((2, 1, 4, 5), (3, 1, 1), (1, 4, 1))]


@pytest.mark.parametrize("shapes", OFTEN[:1] + NIGHTLY, ids=str)
def test_shapes_broadcast_on_the_way_to_jax_and_back(shapes):
    """A sum instead of a program: what is folded has its elements beside each other."""
    generator = torch.Generator().manual_seed(1)
    tensors = [torch.rand(shape, generator=generator) for shape in shapes]
    arguments = folded(tensors)
    result = arguments.unfold(sum(arguments.tensors))
    assert torch.equal(result, sum(tensors))
    assert result.is_contiguous()


@pytest.mark.parametrize("shapes", nightly_but(OFTEN, OFTEN + NIGHTLY), ids=str)
def test_shapes_broadcast_and_gradients_have_those_of_the_arguments(shapes):
    generator = torch.Generator().manual_seed(1)
    x, mu, theta = (torch.rand(s, generator=generator, dtype=torch.float64) + 0.5 for s in shapes)
    x = (4 * x).floor()
    leaves = mu.requires_grad_(), theta.requires_grad_()
    value = bridge.log_nb_positive(x, mu, theta)
    full = [t.detach().expand(value.shape).contiguous().requires_grad_() for t in leaves]
    expected = in_one_program(x.expand(value.shape).contiguous(), *full)
    # two programs, which round differently
    torch.testing.assert_close(value, expected, rtol=1e-15, atol=1e-15)
    assert value.is_contiguous()
    value.sum().backward()
    expected.sum().backward()
    for leaf, whole in zip(leaves, full, strict=True):
        assert leaf.grad.shape == leaf.shape
        torch.testing.assert_close(leaf.grad, whole.grad.sum_to_size(leaf.shape))


def test_an_expanded_leaf_gets_a_gradient_in_every_element():
    theta = torch.linspace(0.5, 2, 5, dtype=torch.float64).expand(4, 5).requires_grad_()
    x = torch.arange(20.0, dtype=torch.float64).reshape(4, 5)
    mu = torch.full((4, 1), 4.0, dtype=torch.float64, requires_grad=True)
    bridge.log_nb_positive(x, mu, theta).sum().backward()
    dense, means = theta.detach().clone().requires_grad_(), mu.detach().expand(4, 5).contiguous()
    in_one_program(x, means.requires_grad_(), dense).sum().backward()
    # two programs, which round differently
    torch.testing.assert_close(theta.grad, dense.grad, rtol=1e-13, atol=1e-13)


def test_large_theta_where_the_textbook_formula_fails():
    mu, theta, x = torch.tensor(5.0), torch.tensor(1e7), torch.tensor(7.0)
    naive = (
        theta * (theta.log() - (theta + mu).log())
        + x * (mu.log() - (theta + mu).log())
        + torch.lgamma(x + theta)
        - torch.lgamma(theta)
        - torch.lgamma(x + 1)
    )
    assert naive > 0  # no log-probability
    value = bridge.log_nb_positive(x, mu, theta)
    torch.testing.assert_close(value, torch.tensor(-2.2590961), rtol=2e-7, atol=0)


def test_other_libraries_log_functions_are_ignored():
    x, mu = torch.ones(2), torch.ones(2)
    plain = bridge.log_nb_positive(x, mu, 2.0)
    given = bridge.log_nb_positive(x, mu, 2.0, log_fn=torch.log, lgamma_fn=torch.lgamma)
    assert torch.equal(plain, given)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((torch.ones(2), torch.ones(3), 1.0), ValueError, r"x \(2,\), mu \(3,\)"),
        ((torch.ones(2), torch.ones(2) * 1j, 1.0), TypeError, "mu must be real"),
        ((torch.ones(2), torch.ones(2).to_sparse(), 1.0), TypeError, r"mu.to_dense\(\)"),
        ((1.0, 2.0, 3.0), TypeError, "at least one tensor: for arrays there is jaxnb.log_nb_pos"),
        ((torch.ones(2), torch.ones(2, device="meta"), 1.0), ValueError, "mu on meta"),
    ],
)
def test_bad_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        bridge.log_nb_positive(*arguments)


@pytest.mark.slow
def test_a_minibatch_of_every_size_shares_few_programs():
    from jaxnb.torch_bridge.programs import partials

    program = partials("log_nb_positive", ((0, 0, 0),))
    before = program._cache_size()
    theta = torch.rand(7) + 0.5
    for batch in range(1, 65):
        value = bridge.log_nb_positive(torch.ones(batch, 7), torch.ones(batch, 7), theta)
        assert value.shape == (batch, 7)
        assert torch.equal(value, value[:1].expand(batch, 7))
    assert program._cache_size() - before <= 16 + 8 * 2  # to 16 each, then eight an octave


def test_minibatches_of_every_size_reach_jax_in_few_shapes():
    """Each shape is a program; to 16 rows each is its own, then there are eight an octave."""
    theta, reached = torch.rand(7) + 0.5, set()
    for batch in range(1, 65):
        tensors = [torch.ones(batch, 7), torch.full((batch, 7), 2.0), theta]
        arguments = folded(tensors)
        reached.add(tuple(t.shape for t in arguments.tensors))
        assert torch.equal(arguments.unfold(sum(arguments.tensors)), sum(tensors))
    assert len(reached) <= 16 + 8 * 2


def test_a_minibatch_on_the_second_axis_reaches_jax_in_few_shapes():
    """Several samples of each cell, with counts and theta that all samples share."""
    theta, reached = torch.rand(7) + 0.5, set()
    for batch in range(33, 65):
        x, mu = torch.rand(batch, 7), torch.rand(5, batch, 7)
        arguments = folded([x, mu, theta])
        reached.add(tuple(t.shape for t in arguments.tensors))
        result = arguments.unfold(sum(arguments.tensors))
        assert torch.equal(result, x + mu + theta)
        assert result.is_contiguous()
        whole = folded([x[None, :, :3], mu[:, :, :3], theta[:3]])  # the genes stay as they are
        assert all(t.shape[-1] == 3 for t in whole.tensors)
    assert len(reached) == 8
