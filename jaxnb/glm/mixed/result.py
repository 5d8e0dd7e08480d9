"""The result of a regression with a random intercept per donor."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jaxnb.glm.design import Design
from jaxnb.glm.mixed.donors import Donors, donors_of
from jaxnb.glm.mixed.fit import Estimates, MixedRegression
from jaxnb.glm.mixed.testing import run_mixed_test
from jaxnb.glm.source import Source
from jaxnb.glm.status import GLMStatus

__all__ = ["MixedFit", "fit_with_donors"]

Floats: TypeAlias = NDArray[np.float64]


@dataclass(eq=False, repr=False)
class MixedFit:
    """Estimates of all genes; made by `jaxnb.glm.fit` with ``random``.

    Attributes:
        source: the data.
        design: the design of the fixed effects.
        donors: of the rows.
        size_factors: one per row; None with statistics.
        size_factors_from: how they were found, in words.
        dispersion_method: ``"ml"`` or ``"cox-reid"``.
        regression: the likelihoods, for tests.
        estimates: of all genes.
        enough_counts: which genes are adjusted for, ``(genes,)``; None for all.
    """

    source: Source
    design: Design
    donors: Donors
    size_factors: pd.Series | None
    size_factors_from: str
    dispersion_method: str
    regression: MixedRegression
    estimates: Estimates
    enough_counts: NDArray[np.bool_] | None = None

    @property
    def codes(self) -> NDArray[np.int64]:
        """`GLMStatus` of every gene, ``(genes,)``."""
        return self.estimates.codes

    @cached_property
    def coefficients(self) -> pd.DataFrame:
        """Genes x coefficients, natural logarithms; infinite or NaN where the status says so.

        They are of the mean of a typical donor, of effect 0. Means over all donors are larger by
        a factor of exp(random_sd² / 2).
        """
        limits = self.estimates.limits
        values = np.where(limits == 0, self.estimates.point.beta, limits)
        return pd.DataFrame(values, self.source.genes, self.design.columns)

    @cached_property
    def standard_errors(self) -> pd.DataFrame:
        """From the observed information, the dispersion and random_sd being estimated too.

        NaN for coefficients that are not finite. With few donors they are too small, see `test`.
        """
        variances = np.diagonal(self.estimates.covariance, axis1=1, axis2=2)
        finite = self.estimates.limits == 0
        values = np.where(finite, np.sqrt(np.maximum(variances, 0)), np.nan)
        return pd.DataFrame(values, self.source.genes, self.design.columns)

    @property
    def dispersion(self) -> pd.Series:
        """α of every gene among the cells of one donor; NaN for genes of zeros."""
        return self._per_gene(self._unless_empty(self.estimates.point.alpha), "dispersion")

    @property
    def random_sd(self) -> pd.Series:
        """σ, the standard deviation of the donors' effects on the logarithm of the mean.

        0 where donors differ by no more than their cells do; NaN for genes of zeros.
        """
        return self._per_gene(self._unless_empty(self.estimates.point.sigma), "random_sd")

    @property
    def log_likelihood(self) -> pd.Series:
        """The marginal log-likelihood of every gene, with all terms."""
        return self._per_gene(self.estimates.log_likelihood, "log_likelihood")

    @property
    def mean(self) -> pd.Series:
        """The mean of a gene's counts divided by the size factors."""
        return self._per_gene(self.source.mean, "mean")

    @property
    def status(self) -> pd.Series:
        """What the fit of every gene amounts to, the labels of `GLMStatus`."""
        labels = np.array([status.label for status in GLMStatus], object)
        return self._per_gene(labels[self.codes], "status")

    @cached_property
    def donor_effects(self) -> pd.DataFrame:
        """The mean of each donor's effect given the counts, ``(genes, donors)``.

        Natural logarithms; shrunken towards 0 the more the fewer counts the donor has, and 0 where
        random_sd is 0. The estimates of the parameters are taken as known.
        """
        return self._of_donors(self._effects[0])

    @cached_property
    def donor_effect_sds(self) -> pd.DataFrame:
        """The standard deviation of each donor's effect given the counts, ``(genes, donors)``."""
        return self._of_donors(self._effects[1])

    @cached_property
    def _effects(self) -> tuple[Floats, Floats]:
        return self.regression.effects(self.estimates.point)

    def test(
        self,
        name: str | None = None,
        level: Any = None,
        base: Any = None,
        *,
        contrast: Any = None,
        reduced: Any = None,
        method: str = "auto",
    ) -> pd.DataFrame:
        """Test a coefficient, two levels of a factor, a contrast or a smaller design.

        Args:
            name: as in `GLMFit.test`, like those that follow.
            level: see `name`.
            base: see `name`.
            contrast: see `name`.
            reduced: see `name`.
            method: ``"moderated"``: the coefficients are fitted again with a standard deviation of
                the donors that is common to all genes, and, if the contrast differs within donors,
                one of the donors' own contrasts. The variance of the contrast is that of the
                donors' scores, moderated over the genes (`jaxnb.glm.mixed.moderation`), and t has
                the degrees of freedom of prior and gene together. With 3 donors per condition 4.6%
                of the p-values of 8,096 simulated genes were below 0.05 (``tests/benchmarks``).
                That is over all genes: those whose donors differ most reject more often, those
                whose donors differ least less often. ``"sandwich"``: the same without
                moderation. ``"wald"``: estimate over standard error, normal. ``"lr"``: the ratio
                of the marginal likelihoods, χ². ``"lr-f"``: the same mapped to F with as many
                degrees of freedom as there are donors minus coefficients, for contrasts that are
                constant within donors. ``"auto"``: moderated, if there are 50 genes to learn from,
                or else ``"lr-f"``, within donors ``"sandwich"``. For `reduced`: ``"lr-f"``, within
                donors ``"lr"``.

        Returns:
            A DataFrame, one line per gene, with the columns of `GLMFit.test` and ``random_sd``. The
            fold change and its standard error are those of the test; for likelihood ratios those
            of the fit. Genes with an infinite fold change have a p-value by ``"lr"`` and
            ``"lr-f"`` only. Its ``attrs`` say what was tested, how, and with which common standard
            deviations and degrees of freedom of the prior.

        Warns:
            UserWarning: too few genes to moderate.

        Raises:
            ValueError: as in `GLMFit.test`; ``"lr-f"`` of a contrast that differs within donors.
        """
        return run_mixed_test(
            self, name, level, base, contrast=contrast, reduced=reduced, method=method
        )

    def _of_donors(self, values: Floats) -> pd.DataFrame:
        return pd.DataFrame(values, self.source.genes, self.donors.labels)

    def _per_gene(self, values: NDArray[Any], name: str) -> pd.Series:
        return pd.Series(values, self.source.genes, name=name)

    def _unless_empty(self, values: Floats) -> Floats:
        return np.where(self.codes == GLMStatus.ALL_ZEROS, np.nan, values)

    def __repr__(self) -> str:
        return (
            f"MixedFit: {len(self.source.genes)} genes, {self.source.rows} rows, "
            f"{len(self.donors.labels)} values of {self.donors.name}, dispersion "
            f"{self.dispersion_method}, size factors {self.size_factors_from}, coefficients "
            f"{', '.join(self.design.columns)}"
        )


def fit_with_donors(
    source: Source,
    design: Design,
    random: Any,
    *,
    dispersion: str,
    size_factors: pd.Series | None,
    size_factors_from: str,
    enough: NDArray[np.bool_] | None = None,
    progress: bool = False,
) -> MixedFit:
    """The regression of a source with donors; `jaxnb.glm.fit` documents the arguments.

    Raises:
        TypeError: several random effects.
        ValueError: see `jaxnb.glm.mixed.donors.donors_of`; an unknown choice of dispersion; or
            more donors and genes than memory is meant for.
    """
    if dispersion not in ("auto", "ml", "cox-reid"):
        raise ValueError(
            f"dispersion={dispersion!r} is not for a random effect: use 'ml', or 'cox-reid' for "
            "the standard deviations of REML"
        )
    donors = donors_of(random, source.obs, design, source.rows)
    regression = MixedRegression(source, design.matrix, donors, progress=progress)
    return MixedFit(
        source,
        design,
        donors,
        size_factors,
        size_factors_from,
        "ml" if dispersion == "ml" else "cox-reid",
        regression,
        regression.fit(restricted=dispersion != "ml"),
        enough,
    )
