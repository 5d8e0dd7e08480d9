"""The result of a regression: estimates as pandas objects, and the door to tests."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jaxnb.glm.bulk.dispersions import Flagged
from jaxnb.glm.design import Design
from jaxnb.glm.prior import DispersionPrior
from jaxnb.glm.regression import Regression
from jaxnb.glm.source import Source
from jaxnb.glm.status import GLMStatus
from jaxnb.glm.testing import run_test

__all__ = ["GLMFit"]

Floats: TypeAlias = NDArray[np.float64]


@dataclass(eq=False, repr=False)
class GLMFit:
    """Estimates of all genes; made by `jaxnb.glm.fit`.

    Attributes:
        source: the data.
        design: the design.
        size_factors: one per row; None with statistics.
        size_factors_from: how they were found, in words.
        dispersion_method: ``"ml"``, ``"cox-reid"`` or ``"shrunken"``.
        prior: the prior of the dispersions where they are shrunken.
        regression: the likelihoods, for tests.
        own: the Cox-Reid dispersion of every gene by itself; None with ``"ml"``.
        flagged: the genes with outliers; None if none were looked for.
        enough_counts: which genes are adjusted for, ``(genes,)``; None for all.
        alpha: dispersions, ``(genes,)``.
        beta: coefficients, finite also where they diverge, ``(genes, coefficients)``.
        limits: 0, or where a coefficient diverges to: -inf, +inf, or NaN if that is not defined.
        log_likelihoods: ``(genes,)``.
        codes: `GLMStatus`, ``(genes,)``.
    """

    source: Source
    design: Design
    size_factors: pd.Series | None
    size_factors_from: str
    dispersion_method: str
    prior: DispersionPrior | None = field(default=None)
    regression: Regression = field(kw_only=True)
    own: Floats | None = field(default=None, kw_only=True)
    flagged: Flagged | None = field(default=None, kw_only=True)
    enough_counts: NDArray[np.bool_] | None = field(default=None, kw_only=True)
    alpha: Floats = field(kw_only=True)
    beta: Floats = field(kw_only=True)
    limits: Floats = field(kw_only=True)
    log_likelihoods: Floats = field(kw_only=True)
    codes: NDArray[np.int64] = field(kw_only=True)

    @cached_property
    def coefficients(self) -> pd.DataFrame:
        """Genes x coefficients, natural logarithms; infinite or NaN where the status says so."""
        values = np.where(self.limits == 0, self.beta, self.limits)
        return pd.DataFrame(values, self.source.genes, self.design.columns)

    @cached_property
    def standard_errors(self) -> pd.DataFrame:
        """From the expected information; NaN for coefficients that are not finite."""
        size = len(self.design.columns)
        variances = self.regression.variances(self.alpha, self.beta, np.eye(size))
        values = np.where(self.limits == 0, np.sqrt(np.maximum(variances, 0)), np.nan)
        return pd.DataFrame(values, self.source.genes, self.design.columns)

    @property
    def dispersion(self) -> pd.Series:
        """α of every gene, 0 where Poisson regression is the maximum; NaN for genes of zeros."""
        empty = self.codes == GLMStatus.ALL_ZEROS
        values = np.where(empty, np.nan, self.alpha)
        return pd.Series(values, self.source.genes, name="dispersion")

    @property
    def log_likelihood(self) -> pd.Series:
        """The log-likelihood of every gene, with all terms."""
        return pd.Series(self.log_likelihoods, self.source.genes, name="log_likelihood")

    @property
    def mean(self) -> pd.Series:
        """The mean of a gene's counts divided by the size factors, without outliers."""
        return pd.Series(self.source.mean, self.source.genes, name="mean")

    @property
    def status(self) -> pd.Series:
        """What the fit of every gene amounts to, the labels of `GLMStatus`."""
        labels = np.array([status.label for status in GLMStatus], object)
        return pd.Series(labels[self.codes], self.source.genes, name="status")

    @property
    def outliers(self) -> pd.DataFrame:
        """The counts that were left out, one line each, the least likely ones first.

        Columns ``gene, row`` (their labels), ``count, expected`` (what the gene's other counts
        predict) and ``p_value``, the probability of a count as far from it on either side. Many
        outliers in one row say something about that sample.
        """
        if self.flagged is None:
            return pd.DataFrame(columns=["gene", "row", "count", "expected", "p_value"])
        found = self.flagged.outliers
        order = np.argsort(found.p_value, kind="stable")
        return pd.DataFrame(
            {
                "gene": self.source.genes[found.gene[order]],
                "row": self.source.obs.index[found.row[order]],
                "count": found.counted[order],
                "expected": found.expected[order],
                "p_value": found.p_value[order],
            }
        )

    def test(
        self,
        name: str | None = None,
        level: Any = None,
        base: Any = None,
        *,
        contrast: Any = None,
        reduced: Any = None,
        method: str = "auto",
        shrink: bool = False,
        threshold: float = 0.0,
    ) -> pd.DataFrame:
        """Test a coefficient, two levels of a factor, a contrast or a smaller design.

        ``test("condition", "B", "A")`` asks for B over A: a positive fold change means more in B.
        ``test("age")`` is per unit of age. ``test(reduced="~ batch")`` asks whether the terms that
        are in the design but not in the reduced one matter at all.

        Args:
            name: a coefficient or a column of obs.
            level: with `base`: `level` over `base`.
            base: see `level`.
            contrast: numbers, one per coefficient; a mapping from coefficients to numbers; or a
                formula of coefficients, ``"condition[T.B] - condition[T.C]"``.
            reduced: a formula or a matrix, nested in the design.
            method: ``"wald"``, ``"lr"`` (likelihood ratio, each model at its own dispersion with
                ``dispersion="ml"``, both at the full model's otherwise), ``"ql"``
                (quasi-likelihood F, `jaxnb.glm.quasi_likelihood`), or ``"auto"``: ``"ql"`` with
                shrunken dispersions, ``"lr"`` otherwise. Genes with an infinite fold change have
                no Wald test. With few rows only ``"ql"`` holds its level.
            shrink: add ``log2_fold_change_shrunken``, the mode of the posterior under a Cauchy
                prior; no other column changes.
            threshold: test whether the fold change is beyond this, to base 2: 1 asks which genes
                differ more than twofold (`jaxnb.glm.thresholds`; McCarthy and Smyth, 2009).

        Returns:
            A DataFrame with one line per gene and the columns ``mean, log2_fold_change, se`` (both
            to base 2; ``se`` is that of the Wald test, which the other tests do without),
            ``statistic, p_value, p_adjusted`` (Benjamini-Hochberg), ``dispersion, status``. With
            ``reduced`` there is no single fold change: those columns are missing. Its ``attrs`` say
            what was tested and how. With ``filter_low``, genes without enough counts have no
            ``p_adjusted``, and the status ``"low counts"``. Where outliers were looked for, the
            column ``outliers`` says how many counts of a gene were left out, and its status is
            ``"outlier"``: all columns
            but the p-value of the quasi-likelihood test are those of the other counts. That one is
            the larger of the p-values with and without them if rows minus coefficients are fewer
            than 12, and otherwise their mean, weighted by the probability that the counts are
            outliers and not those of a gene that varies more than others.

        Raises:
            ValueError: an unknown name, level or method, a negative threshold, a contrast that
                cannot be estimated, or a reduced design that is not nested in the design.
        """
        return run_test(
            self,
            name,
            level,
            base,
            contrast=contrast,
            reduced=reduced,
            method=method,
            shrink=shrink,
            threshold=threshold,
        )

    def __repr__(self) -> str:
        return (
            f"GLMFit: {len(self.source.genes)} genes, {self.source.rows} rows, dispersion "
            f"{self.dispersion_method}, size factors {self.size_factors_from}, coefficients "
            f"{', '.join(self.design.columns)}"
        )
