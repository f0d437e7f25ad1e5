"""Figures of the model stages: loss curves and scores."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from macromicro.plots.names import name_models

WIDTH = 7.0
COLOURS = sns.color_palette("colorblind")


def plot_losses(losses: pd.DataFrame) -> Figure:
    """Training loss over tokens, with the validation loss where it was measured.

    Parameters: losses, columns tokens, loss (nats per token) and, optionally, validation_loss.
    """
    figure, axes = plt.subplots(figsize=(WIDTH, 3.5), layout="constrained")
    axes.plot(losses["tokens"] / 1000, losses["loss"], color=COLOURS[0], linewidth=1, label="training, each step")
    if "validation_loss" in losses:
        checked = losses.dropna(subset="validation_loss")
        style = {"color": COLOURS[1], "marker": "o", "markersize": 4}
        axes.plot(checked["tokens"] / 1000, checked["validation_loss"], label="validation", **style)
    else:
        mean = losses["loss"].rolling(max(2, len(losses) // 10), min_periods=1).mean()
        axes.plot(losses["tokens"] / 1000, mean, color=COLOURS[1], label="training, moving mean")
    axes.set(xlabel="tokens seen (thousands)", ylabel="loss (nats per token)")
    axes.legend(frameon=False)
    sns.despine(figure)
    return figure


def plot_loss_curves(losses: Mapping[str, pd.DataFrame]) -> Figure:
    """Training loss of several models over the steps, each the mean over the last tenth of the steps so far.

    Parameters: losses by what the model is called, columns step and loss (nats per response token).
    """
    figure, axes = plt.subplots(figsize=(WIDTH, 3.8), layout="constrained")
    for colour, (title, table) in zip(sns.color_palette("viridis", len(losses)), losses.items(), strict=True):
        mean = table["loss"].rolling(max(2, len(table) // 10), min_periods=1).mean()
        axes.plot(table["step"], mean, color=colour, linewidth=1.5, label=title)
    axes.set(xlabel="step", ylabel="loss (nats per token)")
    figure.legend(loc="outside right upper", frameon=False)
    sns.despine(figure)
    return figure


def plot_scores(scores: pd.DataFrame) -> Figure:
    """Score of every model with its interval, and the baseline at 50.

    Parameters: scores, as `judge.score.add_coordinates` gives them: size, level (percent, or missing), seed, and score,
    low, high (0 to 100).
    """
    figure, axes = plt.subplots(figsize=(WIDTH, 1.2 + 0.3 * len(scores)), layout="constrained")
    rows = range(len(scores))
    errors = [scores["score"] - scores["low"], scores["high"] - scores["score"]]
    axes.axvline(50, color="0.5", linestyle="--", linewidth=1, label="baseline")
    axes.errorbar(scores["score"], rows, xerr=errors, fmt="o", color=COLOURS[0], capsize=3, label="score with interval")
    axes.set_yticks(rows, name_models(scores))
    axes.margins(y=0.08)
    axes.invert_yaxis()
    axes.set(xlabel="score against the baseline (50 = equal)")
    figure.legend(loc="outside upper center", ncols=2, frameon=False)
    sns.despine(figure)
    return figure
