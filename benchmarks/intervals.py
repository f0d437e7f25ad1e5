"""How often intervals of slopes hold, how wide they are and what they see, beside a line through all seeds together.

python benchmarks/intervals.py [--studies 2000] [--levels 400]

Studies are drawn as in tests/analyse/simulated_studies.py: seven levels, a true slope of about 10 points from 0 to 100
percent. `pooled` is `stats.fit_slopes`, ordinary least squares on the scores of all seeds. With one seed the truth is
the slope of that seed, else that of the population of seeds. `levels` is the share of studies in which the intervals of
all seven levels hold at once. The standard error of a share of 2,000 studies is half a point. Two more tables: for
planning, medians over 500 studies of `smallest_slope`; and intervals of the correlation of a metric with the score.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from macromicro.analyse.metric_correlations import correlate_clusters
from macromicro.analyse.shapes import level_intervals
from macromicro.analyse.slopes import estimate_slopes, fit_slope
from macromicro.analyse.stats import correlate, fit_slopes

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from analyse import simulated_studies as simulated

PLAIN = simulated.World(slope=0.3)
SITUATIONS = {
    "plain": PLAIN,
    "baselines differ by 3 points": replace(PLAIN, baseline_sd=0.1),
    "slopes differ by 5 points": replace(PLAIN, slope_sd=0.15),
    "60 prompts": replace(PLAIN, n_prompts=60),
    "60 prompts that differ": replace(PLAIN, n_prompts=60, prompt_slope_sd=0.8),
}
BATCH = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--levels", type=int, default=400, help="studies for levels and for correlations")
    asked = parser.parse_args()
    print("| situation | seeds | coverage | pooled | width | pooled | power | pooled | levels |")
    print("|:--|--:|--:|--:|--:|--:|--:|--:|--:|")
    for name, world in SITUATIONS.items():
        for n_seeds in (1, 3, 5):
            world = replace(world, n_seeds=n_seeds)
            rng = np.random.default_rng([n_seeds, len(name)])
            drawn = [judge(world, rng) for _ in range(asked.studies // BATCH)]
            cells = [cell for ours, pooled in summarise(drawn) for cell in (ours, pooled)]
            cells.append("–" if n_seeds == 1 else f"{100 * level_coverage(world, asked.levels, rng):.1f} %")
            print(f"| {name} | {n_seeds} | {' | '.join(cells)} |", flush=True)
    show_smallest()
    show_correlations(asked.levels)
    verdicts = simulated.verdicts_of(simulated.simulate(replace(PLAIN, n_seeds=5), 1, np.random.default_rng(0))[0][0])
    start = time.perf_counter()
    estimate_slopes(verdicts)
    print(f"\none series of 5 seeds from its verdicts to its row: {time.perf_counter() - start:.2f} s")


def show_smallest() -> None:
    """The smallest slope seen 80 times in 100 in the plain situation, alone and in families of six and 18 slopes."""
    print("\n| seeds | alone | of six | of 18 |\n|--:|--:|--:|--:|")
    for n_seeds in (1, 3, 5, 8):
        margins = simulated.simulate(replace(PLAIN, n_seeds=n_seeds), 5 * BATCH, np.random.default_rng(n_seeds))[0]
        slopes = [fit_slope(simulated.series_of(study)) for study in simulated.points_of(margins)]
        seen = [np.median([slope.smallest_seen(alpha=0.05 / n, power=0.8) for slope in slopes]) for n in (1, 6, 18)]
        print(f"| {n_seeds} | {' | '.join(f'{slope:.1f}' for slope in seen)} |")


def show_correlations(n_studies: int) -> None:
    """Coverage and width of intervals of a metric's r over strategies and seeds, beside Fisher's of all datasets."""
    print("\n| strategies | seeds | coverage | Fisher | width | Fisher |\n|--:|--:|--:|--:|--:|--:|")
    for n_strategies, n_seeds in ((6, 3), (6, 5), (12, 3)):
        drawn = [simulated.simulate_metrics(10_000 + i, n_strategies, n_seeds) for i in range(10 * n_studies)]
        pairs = np.array([[points["score"], metrics["IE"]] for points, metrics in drawn])
        truth = np.corrcoef(pairs[:, 0].ravel(), pairs[:, 1].ravel())[0, 1]
        rows = []
        for points, metrics in drawn[:n_studies]:
            ours = correlate_clusters(points, metrics.drop(columns="BL"), n_bootstrap=300)
            fisher = correlate(points.assign(family="all"), metrics.drop(columns=["BL", "SL"]))
            rows.append([table[["low", "high"]].iloc[0].to_list() for table in (ours, fisher)])
        low, high = np.moveaxis(np.array(rows), 2, 0)
        covered, width = 100 * ((low <= truth) & (truth <= high)).mean(axis=0), (high - low).mean(axis=0)
        cells = [*(f"{share:.1f} %" for share in covered), *(f"{points:.2f}" for points in width)]
        print(f"| {n_strategies} | {n_seeds} | {' | '.join(cells)} |", flush=True)


def judge(world: simulated.World, rng: np.random.Generator) -> np.ndarray:
    """Truth, low and high of ours and of the pooled line, shape (BATCH, 5)."""
    margins, slopes, baselines = simulated.simulate(world, BATCH, rng)
    points = simulated.points_of(margins)
    ours = [fit_slope(simulated.series_of(study)).interval(0.95) for study in points]
    truth = [simulated.true_slope(world)] * BATCH
    if world.n_seeds == 1:
        own = zip(slopes[:, 0].tolist(), baselines[:, 0].tolist(), strict=True)
        truth = [simulated.true_slope(world, slope, baseline) for slope, baseline in own]
    return np.column_stack([truth, ours, pooled_lines(points)])


def pooled_lines(points: np.ndarray) -> np.ndarray:
    """Low and high of the line through all seeds, shape (BATCH, 2); a study is a `size` of one table."""
    study, _, level = (axis.ravel() for axis in np.indices(points.shape[:3]))
    table = pd.DataFrame({"size": study, "level": simulated.LEVELS[level], "score": 100 * points.mean(axis=3).ravel()})
    return fit_slopes(table.assign(part="response", granularity="micro"))[["low", "high"]].to_numpy()


def summarise(drawn: list[np.ndarray]) -> list[tuple[str, str]]:
    """Coverage, width and power, each of ours and of the pooled line."""
    truth, *ends = np.concatenate(drawn).T
    both = [(ends[0], ends[1]), (ends[2], ends[3])]
    coverage = [f"{100 * np.mean((low <= truth) & (truth <= high)):.1f} %" for low, high in both]
    width = [f"{np.mean(high - low):.1f}" for low, high in both]
    power = [f"{100 * np.mean(low > 0):.0f} %" for low, _ in both]
    return [(coverage[0], coverage[1]), (width[0], width[1]), (power[0], power[1])]


def level_coverage(world: simulated.World, n_studies: int, rng: np.random.Generator) -> float:
    """Share of studies in which every level's interval holds."""
    points = simulated.points_of(simulated.simulate(world, n_studies, rng)[0])
    truth, held = simulated.true_scores(world) - 50, []
    for study in points:
        series = simulated.series_of(study)
        table = level_intervals(series, 50.0, confidence=0.95, n_draws=2000, rng=rng)
        held.append(((table["low"] <= truth) & (truth <= table["high"])).all())
    return float(np.mean(held))


if __name__ == "__main__":
    main()
