"""What a figure shows, for tests of figures."""


def panels(figure):
    return [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]


def markers(axes):
    """Coordinates of all markers of an axes."""
    lines = [line for line in axes.lines if line.get_linestyle() == "None"]
    return {(float(x), float(y)) for line in lines for x, y in zip(*line.get_data(), strict=True)}


def shown_ticks(axes):
    """Labels of the ticks within the limits of an axes."""
    shown = []
    for place, axis in enumerate((axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        shown += [text for text in axis.get_ticklabels() if low <= text.get_position()[place] <= high]
    return shown


def assert_text_inside(figure):
    """No text is cut by the edge of the figure, and the legend covers no axis label."""
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    width, height = figure.canvas.get_width_height()
    labels = [axes.xaxis.label for axes in figure.axes if axes.get_xlabel()]
    texts = [text for axes in figure.axes for text in (*shown_ticks(axes), axes.title)]
    for text in [*labels, *texts]:
        box = text.get_window_extent(renderer)
        if text.get_text() and text.get_visible() and box.width > 0:
            assert -1 <= box.x0 <= box.x1 <= width + 1, text.get_text()
            assert -1 <= box.y0 <= box.y1 <= height + 1, text.get_text()
    for legend in figure.legends:
        for label in labels:
            assert not legend.get_window_extent(renderer).overlaps(label.get_window_extent(renderer))


def legend_texts(figure):
    """The words of the legend of a figure."""
    return {text.get_text() for text in figure.legends[0].get_texts()}
