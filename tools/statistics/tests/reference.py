#!/usr/bin/env python3
"""Statistics by scipy and others, for tools/statistics/tests/reference.rs to compare with.

Prints reference.json. The versions that made the stored one are in it, under "versions". To make it again,
from the project's root:

    python3 -m venv /some/folder
    /some/folder/bin/pip install numpy==2.4.6 scipy==1.17.1 lifelines==0.30.3 \\
        statsmodels==0.15.0
    /some/folder/bin/python tools/statistics/tests/reference.py > tools/statistics/tests/reference.json

Where two of these libraries answer the same question, they are compared here first.
"""

import itertools
import json
import platform
import sys
import warnings
from collections import Counter
from fractions import Fraction

import lifelines
import lifelines.statistics
import numpy as np
import scipy
import scipy.stats
import statsmodels
from statsmodels.stats.multitest import multipletests

RANDOM = np.random.default_rng(20240229)


def numbers(array):
    return [float(value) for value in array]


def agree(one, other, what):
    if not np.allclose(one, other, rtol=1e-9, atol=1e-12):
        sys.exit(f"{what}: {one} and {other} differ")


def samples():
    """Samples as trials have them: counts with ties, rates without, one value, all equal, extreme ones."""
    yield [3.0]
    yield [0.0, 0.0]
    yield [1.0, 2.0]
    yield [7.0] * 10
    yield [0.0] * 29 + [1.0]
    yield [1e-300, 1.0, 1e300]
    yield [1234567.0, 1234567.0, 1234568.0, 9.0, 2e9]
    for size in (3, 4, 5, 6, 7, 8, 9, 10, 11, 20, 30, 31, 100):
        yield numbers(RANDOM.integers(400, 420, size))
        yield numbers(RANDOM.lognormal(10, 2, size))


def quantiles():
    for values in samples():
        low, median, high = np.quantile(values, [0.25, 0.5, 0.75])
        yield {"values": values, "lower": float(low), "median": float(median), "upper": float(high)}


def enumerated(values, level):
    """The limits of the bootstrap's median by counting all samples there are: the definition."""
    values = sorted(Fraction(value) for value in values)
    count = Counter()
    for sample in itertools.product(values, repeat=len(values)):
        sample = sorted(sample)
        half = len(sample) // 2
        count[sample[half] if len(sample) % 2 else (sample[half - 1] + sample[half]) / 2] += 1
    outside = (1 - Fraction(level)) / 2 * len(values) ** len(values)

    def beyond(medians):
        total = 0
        for median in medians:
            total += count[median]
            if total >= outside:
                return float(median)

    return {"low": beyond(sorted(count)), "high": beyond(sorted(count, reverse=True))}


def median_intervals():
    for values in samples():
        case = {"values": values, "median": float(np.median(values)), "enumerated": []}
        if len(values) <= 7:
            for level in ("0.95", "0.8", "0.5"):
                case["enumerated"].append({"level": float(level)} | enumerated(values, level))
        if len(values) > 1:
            drawn = scipy.stats.bootstrap(
                (values,), np.median, method="percentile", confidence_level=0.95,
                n_resamples=200_000, batch=10_000, rng=1,
            ).confidence_interval
            case["drawn"] = {"low": float(drawn.low), "high": float(drawn.high)}
        yield case


def two_groups():
    sizes = [(1, 1), (1, 2), (2, 1), (2, 2), (3, 3), (2, 10), (5, 5), (8, 8), (8, 30), (9, 8), (9, 9), (10, 10),
             (10, 30), (30, 10), (30, 30), (1, 30), (100, 100), (5, 200)]
    for m, n in sizes:
        for shift in (0.0, 0.5, 3.0):
            # Without ties, with some, with many.
            yield numbers(RANDOM.normal(shift, 1, m)), numbers(RANDOM.normal(0, 1, n))
            yield numbers(RANDOM.integers(0, 40, m) + round(10 * shift)), numbers(RANDOM.integers(0, 40, n))
            yield numbers(RANDOM.integers(0, 3, m) + round(shift)), numbers(RANDOM.integers(0, 3, n))
        # Apart, and all equal.
        yield numbers(range(1000, 1000 + m)), numbers(range(n))
        yield [5.0] * m, [5.0] * n
        yield [5.0] * m, [6.0] * n
        yield numbers(RANDOM.normal(0, 1e-200, m)), numbers(RANDOM.normal(0, 1e200, n))


def mann_whitney():
    for first, second in two_groups():
        result = scipy.stats.mannwhitneyu(first, second, alternative="two-sided", method="auto")
        a, b = np.array(first), np.array(second)
        wins = (a[:, None] > b).sum() + 0.5 * (a[:, None] == b).sum()
        agree(result.statistic, wins, "U")
        # The name of the method that "auto" takes is not in the result.
        ties = len(set(first + second)) < len(first) + len(second)
        exact = not ties and min(len(first), len(second)) <= 8
        again = scipy.stats.mannwhitneyu(
            first, second, alternative="two-sided", method="exact" if exact else "asymptotic")
        agree(result.pvalue, again.pvalue, "auto")
        yield {
            "first": first, "second": second, "u": float(result.statistic), "p": float(result.pvalue),
            "exact": exact, "a12": float(wins / (len(first) * len(second))),
        }


def skip_draws():
    """The draws of a part that is gone: with them the later parts stay as they are stored."""
    for engines in (3, 4, 5, 6):
        for targets in (2, 3, 4, 7, 10):
            for spread in (3, 10, 1000):
                RANDOM.integers(0, spread, (targets, engines))
    return []


def holm():
    for values in ([0.2], [0.01, 0.02, 0.03], [0.04, 0.01, 0.5, 0.01], [1e-300, 0.9], [1.0, 1.0, 1.0],
                   numbers(RANDOM.random(15)), numbers(RANDOM.random(15) ** 6)):
        yield {"p": values, "adjusted": numbers(multipletests(values, method="holm")[1])}


def times():
    """Trials as (milliseconds, whether the find came), with ties of both kinds."""
    yield [(10, True)]
    yield [(10, True), (20, False)]
    yield [(5, True), (5, True), (5, False)]
    yield [(1, True)] * 4 + [(2, False)] * 6
    yield [(10, True), (10, False), (20, True), (20, True), (30, False), (40, True)]
    for size in (2, 3, 5, 10, 30, 100):
        for watched in (15, 60, 10_000):
            came = RANDOM.exponential(40, size).astype(int) + 1
            yield [(int(min(time, watched)), bool(time <= watched)) for time in came]
            # Trials that ended at different times.
            until = RANDOM.integers(1, watched + 1, size)
            yield [(int(min(time, end)), bool(time <= end)) for time, end in zip(came, until)]


def censored(observations):
    seen = np.array([happened for _, happened in observations])
    time = np.array([time for time, _ in observations], dtype=float)
    return scipy.stats.CensoredData.right_censored(time, ~seen), time, seen


def survival():
    for observations in times():
        data, time, seen = censored(observations)
        curve = scipy.stats.ecdf(data).sf
        limits = curve.confidence_interval(0.95, method="log-log")
        fitted = lifelines.KaplanMeierFitter().fit(time, seen)
        table, bounds = fitted.event_table, fitted.confidence_interval_
        steps = []
        for at, share, low, high in zip(
                curve.quantiles, curve.probabilities, limits.low.probabilities, limits.high.probabilities):
            row = table.loc[at]
            if row["observed"] == 0:
                continue
            agree(share, fitted.survival_function_.loc[at].iloc[0], "the estimate")
            step = {"time_ms": int(at), "at_risk": int(row["at_risk"]), "events": int(row["observed"]),
                    "surviving": float(share)}
            # Where nothing is left, Greenwood's variance is not defined.
            if share > 0:
                agree([low, high], bounds.loc[at].to_numpy(), "the interval")
                step |= {"low": float(low), "high": float(high)}
            steps.append(step)
        median = fitted.median_survival_time_
        yield {
            "observations": [[time, happened] for time, happened in observations],
            "steps": steps,
            "median": None if np.isinf(median) else int(median),
        }


def log_rank():
    groups = list(times())
    # Every fifth of all pairs: sizes, ties and ends of all kinds meet.
    for first, second in list(itertools.combinations(groups, 2))[::5]:
        if not any(happened for _, happened in first + second) or len(first) * len(second) > 900:
            continue
        (one, times_one, seen_one), (other, times_other, seen_other) = censored(first), censored(second)
        result = lifelines.statistics.logrank_test(times_one, times_other, seen_one, seen_other)
        if not np.isfinite(result.test_statistic):
            continue  # Nothing can differ; the Rust tests have it.
        again = scipy.stats.logrank(one, other)
        if np.isfinite(again.statistic):
            agree(result.test_statistic, again.statistic ** 2, "the log-rank statistic")
            agree(result.p_value, again.pvalue, "the log-rank test")
        yield {
            "first": [list(seen) for seen in first], "second": [list(seen) for seen in second],
            "chi_square": float(result.test_statistic), "p": float(result.p_value),
        }


def main():
    warnings.simplefilter("ignore")
    reference = {
        "made_by": "tools/statistics/tests/reference.py",
        "versions": {
            "python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__,
            "lifelines": lifelines.__version__, "statsmodels": statsmodels.__version__,
        },
    }
    for part in (quantiles, median_intervals, mann_whitney, skip_draws, holm, survival, log_rank):
        cases = list(part())
        if cases:
            reference[part.__name__] = cases
    # A case a line.
    parts = []
    for name, value in reference.items():
        if isinstance(value, list):
            cases = ",\n".join(json.dumps(case, allow_nan=False) for case in value)
            parts.append(f"{json.dumps(name)}: [\n{cases}\n]")
        else:
            parts.append(f"{json.dumps(name)}: {json.dumps(value)}")
    print("{\n" + ",\n".join(parts) + "\n}")


if __name__ == "__main__":
    main()
