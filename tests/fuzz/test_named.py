"""Points that were wrong once: counts far above mean and theta, and combinations of extremes."""

import pytest
from fuzz import likelihoods, tails

SIZE = 48  # one program with `test_fuzz`
NB, TRUNCATED = "negative_binomial", "zero_truncated_negative_binomial"
LINEAR = {
    NB: [
        # x / (mu + theta) overflows
        (3.704329636965099e27, 7.315021497509248e-21, 7.364777643239502e-23),
        (4.252331637955319e26, 3.0555912770345367e-38, 3.5635714755995763e-22),
        # theta / (mu + theta) underflows, the derivatives do not
        (1.8577705626456208e27, 1338652360704.0, 8.792126585551578e-29),
        (1.526203476614158e24, 10000000.0, 2.9371801837508024e-34),
        (0.0, 1.31561953373348e-35, 2.3370033226885793e33),
    ],
    TRUNCATED: [
        (7.922816251426434e28, 1.0000000150474662e30, 4.5706145972006525e21),
        (7.922816251426434e28, 1.400476945184018e22, 1.1609526591831504e-33),
        (7.819917184415487e26, 532255063670784.0, 5.2444487664615735e-05),
        (6.119271294938032e28, 3.3691428815833105e-27, 1.0855458992555583e-30),
        (4.0, 2.5772322789907005e-32, 3.701557639223598e-38),
        (3.9886819150549786e22, 4.280964107162461e-22, 1.497956713456242e-29),
        (1.0, 2.206120181013401e-15, 3.976396620324614e-25),
        (1.0, 1.5089795832466786e34, 3.8827001285905526e-38),
    ],
}
LOGARITHMS = [
    # the parts of the curvature in log(theta) cancel for counts far above the mean
    (1e6, -20.7, 0.0),
    (2.909364102055581e27, -10.49046802520752, 0.6931471824645996),
    (3.053410446882554e27, -60.64454650878906, -1.0930490493774414),
    (3.704329636965099e27, -46.364356994628906, -50.96274948120117),
    (13236314308608.0, 69.07755279541016, -82.57242584228516),
    (1.8577705626456208e27, 27.922683715820312, -64.60111236572266),
]

CURVATURE = [
    # l_uu - l_u, the numerator of that in mu itself, is far smaller than its two parts
    (2.0, 511993.0, 1e30),
    (2.0, 72633.8984375, 1743917824.0),
    (3.0, 3125262.5, 1.0),
    (9.0, 12847263.0, 0.24724380671977997),
    # p is next to nothing, or 1 / theta**2 in both parts of that in theta
    (2.0, 1e7, 0.229),
    (2.0, 24181200.0, 4.730347156524658),
    (16777216.0, 8024.3818359375, 0.1354675441980362),
    (5.0, 59.28425216674805, 1.9985588788986206),
    # moved into the range, or beside such a point
    (0.0, 1e-30, 2.0),
    (7.0, 1e-30, 1e-15),
    (1.0, 30392.0, 1e-15),
    (3.0, 1e30, 332517.0),
    (4.0, 1e30, 1e-8),
    (1.0, 1e30, 1e30),
    (16777216.0, 1e30, 3934.251220703125),
    (1213578.0, 9.99999993922529e-09, 436818464.0),
    (11986.0, 2.0147690182881206e-09, 167.9822235107422),
    (0.0, 0.0025213181506842375, float("inf")),
]


def _check(name, points, **options):
    filled = (points * SIZE)[:SIZE]
    report = likelihoods.at(name, filled, "float32", **options)
    assert not report.findings, report.summary()


@pytest.mark.quick
def test_on_the_log_scale():
    _check(NB, LOGARITHMS, log_scale=True)


@pytest.mark.parametrize("name", [NB, pytest.param(TRUNCATED, marks=pytest.mark.slow)])
def test_on_the_linear_scale(name):
    _check(name, LINEAR[name])


def test_second_derivatives_of_tails():
    report = tails.at(NB, CURVATURE, "float32", ("jvp of vjp",))
    assert not report.findings, report.summary()
