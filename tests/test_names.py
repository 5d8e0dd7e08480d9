"""One pattern of names for all distributions, and an answer to every other name."""

import inspect
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from registry import COUNTS, DISTRIBUTIONS

import jaxnb
from jaxnb import cdf, likelihoods
from jaxnb.random import _counts

ROOT = Path(__file__).parents[1]
KINDS = ("log_prob", "log_cdf", "log_sf", "cdf", "sf", "quantile")

each_distribution = pytest.mark.parametrize("name", DISTRIBUTIONS)


def prefix(name):
    """That of the functions of a distribution, as "nb" in `nb_cdf`."""
    return DISTRIBUTIONS[name].family.cdf.__name__.removesuffix("_cdf")


def functions(name):
    """Every function of a distribution that takes its parameters."""
    family = DISTRIBUTIONS[name].family
    found = {kind: getattr(jaxnb, f"{prefix(name)}_{kind}") for kind in KINDS}
    found |= {"log_prob of the table": family.log_prob, "sampler": family.sampler}
    return found | {"entropy": family.entropy}


@pytest.mark.quick
@pytest.mark.parametrize("name", [*map(prefix, DISTRIBUTIONS), "poisson", "zip"])
def test_functions_of_one_distribution_differ_in_the_last_part_of_their_names(name):
    parameters = []
    for kind in KINDS:
        function = getattr(jaxnb, f"{name}_{kind}")
        assert function.__name__ == f"{name}_{kind}"
        assert function is getattr(likelihoods if kind == "log_prob" else cdf, function.__name__)
        taken = inspect.signature(function).parameters
        assert all(p in taken for p in taken if p.startswith("log_mu"))
        synonyms = {"zi_logits": "pi", "mixture_logits": "pi_logits"}
        parameters.append([synonyms.get(p, p) for p in taken if p.startswith(("mu", "th", "log_"))])
        assert len(function.__doc__.splitlines()[0]) < 100
    parameters[-1].remove("log_q")
    assert all(taken == parameters[0] for taken in parameters)


def program(function, *arguments, **keywords):
    """What a function computes, without compiling it."""
    return str(jax.make_jaxpr(lambda x: function(x, *arguments, **keywords))(COUNTS))


@each_distribution
def test_regular_log_probabilities_are_those_of_the_table(name):
    case = DISTRIBUTIONS[name]
    regular = getattr(jaxnb, f"{prefix(name)}_log_prob")
    expected = program(case.log_prob, *case.parameters)
    assert program(regular, *case.parameters) == expected
    by_attribute = {
        p.attribute: v for p, v in zip(case.family.parameters, case.parameters, strict=True)
    }
    assert program(regular, **by_attribute) == expected
    logs = {
        p.log_attribute or p.attribute: v
        for p, v in zip(case.family.parameters, case.parameters, strict=True)
    }
    assert program(regular, **logs) == program(case.on_log_scale, *case.parameters)
    assert program(regular, *case.parameters, eps=2.0) == program(
        case.log_prob, *case.parameters, eps=2.0
    )


@pytest.mark.quick
def test_poisson_log_probabilities_are_those_of_an_infinite_theta():
    expected = program(jaxnb.log_nb_positive, 2.0, np.inf)
    assert program(jaxnb.poisson_log_prob, 2.0) == expected
    expected = program(jaxnb.log_nb_positive, log_mu=2.0, theta=np.inf)
    assert program(jaxnb.poisson_log_prob, log_mu=2.0) == expected
    expected = program(jaxnb.log_zinb_positive, 2.0, np.inf, 0.5)
    assert program(jaxnb.zip_log_prob, 2.0, 0.5) == expected
    assert program(jaxnb.zip_log_prob, 2.0, pi=0.5) == expected
    np.testing.assert_array_equal(jaxnb.poisson_log_prob(np.float32(0.0), 2.0), -2.0)


def test_distribution_functions_of_the_zero_inflated_poisson_are_those_of_an_infinite_theta():
    for kind in ("log_cdf", "log_sf", "cdf", "sf", "quantile"):
        function, of_zinb = (getattr(jaxnb, f"{prefix}_{kind}") for prefix in ("zip", "zinb"))
        expected = program(of_zinb, 2.0, np.inf, 0.5)
        assert program(function, 2.0, 0.5) == expected
        assert program(function, 2.0, zi_logits=0.5) == expected
        expected = program(of_zinb, log_mu=2.0, theta=np.inf, pi=0.5)
        assert program(function, log_mu=2.0, pi=0.5) == expected


@pytest.mark.quick
def test_log_odds_may_be_a_sequence():
    """Which is no pair of a parameter and its logarithm."""
    expected = jaxnb.zinb_log_prob(0, 2.0, np.inf, np.array([0.5, -0.5]))
    np.testing.assert_array_equal(jaxnb.zip_log_prob(0, 2.0, (0.5, -0.5)), expected)
    np.testing.assert_array_equal(jaxnb.zip_log_prob(0, 2.0, [0.5, -0.5]), expected)


@pytest.mark.quick
@each_distribution
def test_functions_and_classes_accept_either_name_of_a_parameter(name):
    """Of all but the first mean, so that what they complain of is that it is missing."""
    family = DISTRIBUTIONS[name].family
    first, *others = family.parameters
    missing = f"needs exactly one of {first.name} and log_{first.name}; got neither"
    for kind, function in functions(name).items():
        first_ones = {"sampler": [jax.random.key(0)], "entropy": []}.get(kind, [1.0])
        for names in (
            [p.name for p in others],
            [p.attribute for p in others],
            [p.log_name or p.name for p in others],
            [p.log_attribute or p.attribute for p in others],
        ):
            with pytest.raises(TypeError, match=missing):
                function(*first_ones, **dict.fromkeys(names, 1.0))
    made = getattr(jaxnb, family.class_name)
    by_attribute = made(**{p.attribute: 0.5 for p in family.parameters})
    assert repr(made(**{p.name: 0.5 for p in family.parameters})) == repr(by_attribute)


@pytest.mark.quick
@each_distribution
def test_a_name_that_does_not_exist_is_answered_with_those_that_do(name):
    family = DISTRIBUTIONS[name].family
    made = getattr(jaxnb, family.class_name)
    parameters = {p.attribute for p in family.parameters}
    for function in (*functions(name).values(), made, cdf.nb_kl_divergence):
        with pytest.raises(TypeError, match=f"{function.__name__} has no parameter 'foo'") as error:
            function(1.0, foo=2.0)
        if function is cdf.nb_kl_divergence:
            continue
        listed = set(str(error.value).partition("there are ")[2].split(", "))
        assert parameters <= listed | {p.attribute for p in family.parameters if p.name in listed}


HINTS = [
    (jaxnb.nb_log_prob, "mean", "pass mu=mean"),
    (jaxnb.nb_sf, "concentration", "pass theta=concentration"),
    (jaxnb.log_nb_positive, "dispersion", "pass theta=1 / dispersion"),
    (jaxnb.NegativeBinomial, "alpha", "pass theta=1 / alpha"),
    (jaxnb.NegativeBinomial, "mean", "pass mu=mean"),
    (jaxnb.nb_log_prob, "total_count", "pass theta=total_count"),
    (jaxnb.nb_log_prob, "probs", r"pass mu=total_count \* probs / \(1 - probs\)"),
    (jaxnb.nb_log_prob, "logits", r"pass log_mu=logits \+ log\(total_count\)"),
    (jaxnb.zinb_log_prob, "gate", r"pass zi_logits=log\(gate\) - log\(1 - gate\)"),
    (jaxnb.zinb_cdf, "zi_probs", r"pass zi_logits=log\(zi_probs\)"),
    (jaxnb.ZeroInflatedNegativeBinomial, "gate", "pass zi_probs=gate"),
    (jaxnb.HurdleNegativeBinomial, "gate_logits", "pass zi_logits=gate_logits"),
    (jaxnb.NegativeBinomialMixture, "mixture_probs", "pass mixture_logits=log"),
    (jaxnb.random.negative_binomial, "mean", "pass mu=mean"),
    (jaxnb.random.poisson, "mu", "pass lam=mu"),
    (jaxnb.nb_cdf, "tehta", r"did you mean theta\?"),
]


@pytest.mark.quick
@pytest.mark.parametrize(("function", "name", "answer"), HINTS)
def test_a_name_of_another_library_is_answered_with_ours(function, name, answer):
    with pytest.raises(TypeError, match=f"{function.__name__} has no parameter '{name}': {answer}"):
        function(1.0, **{name: 0.5})


@pytest.mark.quick
def test_a_mean_by_position_is_told_from_the_size_that_stands_there():
    with pytest.raises(ValueError, match="The first positional argument is total_count: write mu="):
        jaxnb.NegativeBinomial(3.0, theta=2.0)


@pytest.mark.quick
def test_advice_gives_the_same_distribution():
    n, p = 3.0, 0.4
    logits = np.log(p / (1 - p))
    of_probs = jaxnb.NegativeBinomial(total_count=n, probs=p)
    np.testing.assert_allclose(of_probs.mu, n * p / (1 - p), rtol=1e-6)
    of_logits = jaxnb.NegativeBinomial(total_count=n, logits=logits)
    np.testing.assert_allclose(of_logits.log_mu, logits + np.log(n), rtol=1e-6)
    assert of_probs.theta == of_logits.theta == n
    of_gate = jaxnb.ZeroInflatedNegativeBinomial(mu=2.0, theta=1.0, zi_probs=p)
    np.testing.assert_allclose(of_gate.zi_logits, np.log(p) - np.log(1 - p), rtol=1e-6)


@pytest.mark.quick
def test_two_names_of_one_parameter_are_refused_together():
    with pytest.raises(TypeError, match="mean the same"):
        jaxnb.zinb_log_prob(1.0, 2.0, 1.0, zi_logits=0.0, pi=0.0)
    with pytest.raises(TypeError, match="multiple values"):
        jaxnb.zinb_log_prob(1.0, 2.0, 1.0, 0.0, pi=0.0)
    with pytest.raises(TypeError, match="mean the same"):
        jaxnb.NegativeBinomialMixture(mu1=1.0, mu_1=1.0, mu2=2.0, theta1=1.0, mixture_logits=0.0)


@pytest.mark.quick
def test_a_mean_and_a_concentration_by_position_are_answered():
    with pytest.raises(ValueError, match="write mu=mean, theta=concentration"):
        jaxnb.NegativeBinomial(5.0, 2.0, validate_args=True)


@pytest.mark.quick
@each_distribution
def test_samplers_take_logarithms(name, monkeypatch):
    """That each hands on what it gets; the next test draws."""
    case = DISTRIBUTIONS[name]
    monkeypatch.setattr(_counts, "draw", lambda *arguments: arguments[3:])
    logs = {p.log_name or p.name: k for k, p in enumerate(case.family.parameters)}
    given, shape, dtype = case.family.sampler(jax.random.key(0), **logs, shape=(20,), dtype=float)
    expected = {
        p.keyword: (None, k) if p.log_name else k for k, p in enumerate(case.family.parameters)
    }
    assert (given, shape, dtype) == (expected, (20,), float)


@pytest.mark.slow
def test_draws_by_logarithms_are_those_by_their_exponentials():
    key = jax.random.key(0)
    draws = jaxnb.random.zero_inflated_negative_binomial(key, 1.0, 1.0, 0.5, (20,))
    by_logarithms = jaxnb.random.zero_inflated_negative_binomial(
        key, log_mu=0.0, log_theta=0.0, zi_logits=0.5, shape=(20,)
    )
    np.testing.assert_array_equal(by_logarithms, draws)
    assert jaxnb.random.poisson(key, log_lam=-np.inf) == 0


GOOD = """
import jax
import numpy as np

import jaxnb

x, key = np.array([1, 2]), jax.random.key(0)
value: jax.Array = jaxnb.nb_log_prob(x, 1.0, log_theta=2.0)
value = jaxnb.nb_sf(x, 1.0, 2.0)
value = jaxnb.zip_log_prob(x, 1.0, pi=2.0)
value = jaxnb.zinb_log_cdf(x, 1.0, 2.0, zi_logits=0.0)
value = jaxnb.log_mixture_nb(x, mu1=1.0, mu_2=2.0, theta1=1.0, mixture_logits=0.0)
value = jaxnb.cdf.nb_entropy(1.0, 2.0)
value = jaxnb.random.negative_binomial(key, log_mu=1.0, theta=2.0, shape=(3,))
value = jaxnb.ZeroInflatedNegativeBinomial(mu=1.0, theta=x, pi=0.0).stddev
value = jaxnb.NegativeBinomialMixture(mu_1=1.0, mu2=2.0, theta_1=1.0, pi_logits=0.0).mu1
status = jaxnb.fit.FitStatus(jaxnb.fit.fit_nb(x[:, None]).status[0])
text: str = status.message
"""
BAD = """
import jaxnb

jaxnb.nb_sf(1, mean=2.0)
jaxnb.log_zinb_positive(1, 2.0, 1.0, gate=2.0)
jaxnb.random.poisson(0, mu=1.0)
jaxnb.NegativeBinomial(mean=1.0, theta=2.0)
jaxnb.NegativeBinomial(mu="a", theta=2.0)
jaxnb.NegativeBinomialMixture(mu_1="a")
jaxnb.nb_logcdf(1)
"""


@pytest.mark.slow
def test_names_and_constructors_are_typed(tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "good.py").write_text(GOOD)
    (tmp_path / "bad.py").write_text(BAD)
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent"]
    environment = os.environ | {"MYPYPATH": str(ROOT)}
    found = subprocess.run(
        [*command, "good.py", "bad.py"], cwd=tmp_path, env=environment, capture_output=True
    )
    lines = [line for line in found.stdout.decode().splitlines() if ": error:" in line]
    places = [tuple(line.split(":")[:2]) for line in lines]
    assert places == [("bad.py", str(k)) for k in range(4, 11)], lines
