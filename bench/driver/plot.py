# SPDX-License-Identifier: MIT
"""
Plots as SVG: lines on two logarithmic axes, and bars on one or on a plain one.

Colours come from the page's style (classes own, floor, c0 to c7), so that they follow its
light or dark mode. Nobody needs them: each line has its name at its end and a shape of its
own at each point.
"""

import html
import math

WIDTH = 760
SHAPES = 4
COLOURS = 8


class Series:
    """One line, or one bar where there is one point: kind is own, floor or peer."""

    def __init__(self, name, points, kind):
        self.name, self.points, self.kind = name, sorted(points), kind


def number(value):
    """Short, for axes and labels."""
    if value >= 1e6:
        return f"{value / 1e6:.3g}M"
    if value >= 1e4:
        return f"{value / 1e3:.3g}k"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def text(x, y, words, **more):
    attributes = "".join(f' {key.rstrip("_").replace("_", "-")}="{value}"'
                         for key, value in more.items())
    return f'<text x="{x:.1f}" y="{y:.1f}"{attributes}>{html.escape(words)}</text>'


def rule(x1, y1, x2, y2, kind):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def shape(kind, x, y, classes):
    """A point: circle, square, triangle, diamond."""
    r = 4
    if kind == 0:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r}" class="{classes}"/>'
    corners = {1: [(-r, -r), (r, -r), (r, r), (-r, r)],
               2: [(0, -r - 1), (r + 1, r), (-r - 1, r)],
               3: [(0, -r - 1.5), (r + 1.5, 0), (0, r + 1.5), (-r - 1.5, 0)]}[kind]
    path = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return f'<polygon points="{path}" class="{classes}"/>'


class Log:
    """A logarithmic axis from `low` to `high`, drawn from `start` to `end`."""

    def __init__(self, values, start, end, room=1.15):
        self.low = min(values) / room
        self.high = max(values) * room
        if self.high / self.low < 4:
            middle = math.sqrt(self.low * self.high)
            self.low, self.high = middle / 2, middle * 2
        self.start, self.end = start, end

    def at(self, value):
        part = math.log(value / self.low) / math.log(self.high / self.low)
        return self.start + part * (self.end - self.start)

    def ticks(self):
        decades = math.log10(self.high / self.low)
        steps = (1, 1.5, 2, 3, 4, 5, 7) if decades < 0.9 else (1, 2, 5) if decades < 2.5 else (1,)
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        ticks = [step * 10.0 ** power for power in range(first, last + 1) for step in steps]
        return [tick for tick in ticks if self.low <= tick <= self.high]


class Linear:
    """An axis from 0."""

    def __init__(self, values, start, end):
        self.high = max(values) * 1.02
        self.start, self.end = start, end

    def at(self, value):
        return self.start + value / self.high * (self.end - self.start)

    def ticks(self):
        step = 10 ** math.floor(math.log10(self.high))
        while self.high / step < 4:
            step /= 2
        return [i * step for i in range(int(self.high / step) + 1)]


def spread(wanted, gap, low, high):
    """Places for labels near those wanted, at least `gap` apart, from `low` to `high`."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    placed = [wanted[i] for i in order]
    for i in range(1, len(placed)):
        placed[i] = max(placed[i], placed[i - 1] + gap)
    if placed and placed[-1] > high:
        placed[-1] = high
        for i in range(len(placed) - 2, -1, -1):
            placed[i] = min(placed[i], placed[i + 1] - gap)
    if placed and placed[0] < low:
        placed = [place + low - placed[0] for place in placed]
    return {index: place for index, place in zip(order, placed)}


def svg(identity, title, description, height, body):
    return (f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
            f'aria-labelledby="{identity}-t {identity}-d">\n'
            f'<title id="{identity}-t">{html.escape(title)}</title>\n'
            f'<desc id="{identity}-d">{html.escape(description)}</desc>\n'
            + "\n".join(body) + "\n</svg>")


def classes(series):
    """A class and a shape for each line; peers get theirs in turn."""
    found, turn = [], 0
    for one in series:
        if one.kind == "peer":
            found.append((f"c{turn % COLOURS}", 1 + turn % (SHAPES - 1)))
            turn += 1
        else:
            found.append((one.kind, 0))
    return found


def lines(identity, title, description, series, x_words, y_words):
    """Costs against n."""
    series = [one for one in series if one.points]
    # Room for a label each.
    height = max(340, 70 + 17 * len(series))
    left, right, top, bottom = 58, WIDTH - 190, 26, height - 44
    x = Log([n for one in series for n, _ in one.points], left, right, 1.3)
    y = Log([cost for one in series for _, cost in one.points], bottom, top)
    body = [text(left - 44, 14, y_words, class_="axis"),
            text((left + right) / 2, height - 8, x_words, class_="axis", text_anchor="middle")]
    for tick in y.ticks():
        body.append(rule(left, y.at(tick), right, y.at(tick), "grid"))
        body.append(text(left - 6, y.at(tick) + 4, number(tick), text_anchor="end"))
    for n in sorted({n for one in series for n, _ in one.points}):
        body.append(rule(x.at(n), bottom, x.at(n), bottom + 5, "tick"))
        body.append(text(x.at(n), bottom + 19, number(n), text_anchor="middle"))
    body.append(rule(left, bottom, right, bottom, "tick"))
    labels = spread([y.at(one.points[-1][1]) for one in series], 16, top, bottom)
    # Ours is drawn last, above the others.
    drawn = sorted(zip(range(len(series)), series, classes(series)),
                   key=lambda item: item[1].kind == "own")
    for i, one, (colour, mark) in drawn:
        places = [(x.at(n), y.at(cost)) for n, cost in one.points]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in places)
        body.append(f'<polyline points="{path}" class="line {colour}"/>')
        body.extend(shape(mark, px, py, f"mark {colour}") for px, py in places)
        px, py = places[-1]
        body.append(f'<polyline points="{px + 6:.1f},{py:.1f} {right + 8:.1f},{labels[i]:.1f} '
                    f'{right + 14:.1f},{labels[i]:.1f}" class="leader"/>')
        body.append(text(right + 18, labels[i] + 4, one.name[:26],
                         class_="own-name" if one.kind == "own" else "name"))
    return svg(identity, title, description, height, body)


def bars(identity, title, description, series, floor, words):
    """
    A bar for each, the shortest first, and the floor as a line over all of them. Where the
    longest would hide the others, the axis is logarithmic, and says so.
    """
    series = sorted((one for one in series if one.points), key=lambda one: one.points[0][1])
    values = [one.points[0][1] for one in series]
    step, top, left, right = 25, 30, 200, WIDTH - 70
    height = top + step * len(series) + 44
    bottom = top + step * len(series)
    known = values + ([floor] if floor else [])
    wide = max(known) / min(known) > 12
    axis = Log(known, left, right, 1.6) if wide else Linear(known, left, right)
    body = [text(left, height - 6, words + (", logarithmic" if wide else ""), class_="axis")]
    for tick in axis.ticks():
        body.append(rule(axis.at(tick), top, axis.at(tick), bottom, "grid"))
        body.append(text(axis.at(tick), bottom + 16, number(tick), text_anchor="middle"))
    for i, one in enumerate(series):
        y, end = top + i * step, axis.at(values[i])
        own = one.kind == "own"
        body.append(text(left - 8, y + 16, one.name[:28], text_anchor="end",
                         class_="own-name" if own else "name"))
        body.append(f'<rect x="{left}" y="{y + 4}" width="{max(end - left, 1):.1f}" '
                    f'height="{step - 8}" class="bar {one.kind}"/>')
        body.append(text(end + 6, y + 16, number(values[i]),
                         class_="own-name" if own else "name"))
    if floor:
        at = axis.at(floor)
        body.append(rule(at, top - 4, at, bottom + 2, "floor-line"))
        body.append(text(at, top - 9, f"floor {number(floor)}", text_anchor="middle",
                         class_="axis"))
    return svg(identity, title, description, height, body)
