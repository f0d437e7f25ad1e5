"""Estimates that hold for other seeds and other prompts: means over seeds whose models answered the same prompts.

A few seeds are too few to be resampled: three have ten different draws, and an interval from these is too narrow. What
seeds differ by is therefore estimated by their variance and Student's t, what the prompts that they share add to it by
resampling prompts. This is the analysis of readers who judge the same cases (Obuchowski and Rockette 1995), a seed in
the place of a reader and a prompt in that of a case.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats as distributions
from scipy.optimize import brentq

FloatArray = NDArray[np.float64]
SMALLEST_TAIL = -300.0  # logarithm of the smallest probability that is told from zero


class Estimate(NamedTuple):
    """A value and its variance in two parts: what few replicates measured, with `df` degrees of freedom, and prompts.

    own: variance of the value from what is drawn anew for every replicate (seed), estimated from their scatter.
    shared: variance from what replicates share, estimated from so many prompts that it counts as known.
    """

    value: float
    own: float
    df: float
    shared: float

    @property
    def se(self) -> float:
        """Standard error."""
        return float(np.sqrt(self.own + self.shared))

    def critical(self, tail: float) -> float:
        """How many standard errors are exceeded with probability `tail` on one side.

        The quantiles of t and of the normal distribution, each weighed with its part of the variance: Cochran and Cox
        1950, for means whose variances have different degrees of freedom. It keeps the coverage that is promised, where
        the degrees of freedom of Hillis 2007 lost up to three points of it at three seeds, and seven at two.
        """
        known = distributions.norm.isf(tail)
        if self.own == 0:
            return float(known)
        share = self.own / (self.own + self.shared)
        return float(share * distributions.t.isf(tail, self.df) + (1 - share) * known)

    def interval(self, confidence: float) -> tuple[float, float]:
        """Low and high end of the interval at `confidence`, such as 0.95."""
        half = self.critical((1 - confidence) / 2) * self.se
        return self.value - half, self.value + half

    def p(self) -> float:
        """Two-sided p-value of the value being zero: one less the confidence at which the interval ends at zero."""
        size = abs(self.value) / self.se
        if size == 0 or size >= self.critical(np.exp(SMALLEST_TAIL)):
            return 1.0 if size == 0 else 2 * float(np.exp(SMALLEST_TAIL))
        return 2 * float(np.exp(brentq(lambda tail: self.critical(np.exp(tail)) - size, SMALLEST_TAIL, np.log(0.5))))

    def smallest_seen(self, *, alpha: float, power: float) -> float:
        """The smallest true value that a two-sided test at `alpha` tells from zero with probability `power`.

        The variances are taken as true; a study would estimate `own` again, which is averaged over (noncentral t).
        """
        own = self.own * distributions.chi2.ppf((np.arange(2000) + 0.5) / 2000, self.df) / self.df
        threshold = own * distributions.t.isf(alpha / 2, self.df) + self.shared * distributions.norm.isf(alpha / 2)
        threshold /= np.sqrt(own + self.shared)

        def lacking(effect: float) -> float:
            return power - float(distributions.norm.cdf((effect - threshold) / self.se).mean())

        return float(brentq(lacking, 0, threshold.max() + 10 * self.se))


def mean_over_seeds(values: FloatArray, shared: float) -> Estimate:
    """Mean of a statistic over seeds, shape (n_seeds,), uncertain over seeds and the prompts that they share.

    `shared` is the covariance that the prompts give two seeds, as from `covariance_of_means` or the bootstrap.
    Raises ValueError for fewer than two seeds, which say nothing about others.
    """
    if len(values) < 2:
        raise ValueError(f"seeds differ by a variance, but there is {len(values)}; give at least 2")
    own = float(np.var(values, ddof=1)) / len(values)
    return Estimate(float(np.mean(values)), own, len(values) - 1, max(shared, 0.0))


def covariance_of_means(by_prompt: FloatArray) -> FloatArray:
    """Covariance of row means when prompts are drawn again, shape (n_rows, n_rows), of values (n_rows, n_prompts).

    It is what the bootstrap over prompts comes to with endless draws, times n / (n - 1) so that it is unbiased.
    """
    return np.atleast_2d(np.cov(by_prompt)) / by_prompt.shape[1]


def mean_covariance(covariance: FloatArray) -> float:
    """Mean covariance of two different rows, zero if there is one row."""
    n = len(covariance)
    return float((covariance.sum() - np.trace(covariance)) / (n * (n - 1))) if n > 1 else 0.0


def draw_prompts(n_prompts: int, n_bootstrap: int, rng: np.random.Generator) -> FloatArray:
    """Weights of the prompts in each draw of the bootstrap, shape (n_bootstrap, n_prompts); a row sums to one."""
    return rng.multinomial(n_prompts, np.full(n_prompts, 1 / n_prompts), size=n_bootstrap) / n_prompts
