// Charts as SVG text, in the page's own colours: series differ by dash, marker and name, not by colour alone.
// Pure functions; no page is needed. The style of the classes is in panel.css.
"use strict";
{
  const LINE = 15; // px between two labels
  const ROOM = { left: 46, right: 12, top: 14, bottom: 42 };
  const { percent, decimal } = globalThis.segattr.panel;

  /** Text that may stand in SVG. */
  function escaped(text) {
    const signs = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
    return String(text).replace(/[&<>"]/g, (sign) => signs[sign]);
  }

  function rounded(value) {
    return Math.round(value * 10) / 10;
  }

  /** From values between two ends to px between two ends. */
  function scale(from, to) {
    const slope = (to[1] - to[0]) / (from[1] - from[0] || 1);
    return (value) => to[0] + (value - from[0]) * slope;
  }

  /** Heights as near to those wanted as labels allow that stand `gap` apart between two ends, in the same order. */
  function spread(wanted, gap, low, high) {
    const order = wanted.map((_, place) => place).sort((left, right) => wanted[left] - wanted[right]);
    const placed = [...wanted];
    let before = low - gap;
    for (const place of order) {
      placed[place] = Math.max(wanted[place], before + gap);
      before = placed[place];
    }
    let after = high + gap;
    for (const place of [...order].reverse()) {
      placed[place] = Math.min(placed[place], after - gap);
      after = placed[place];
    }
    return placed;
  }

  /** Of the levels of some curves, the place where the closest two lie farthest apart: where their names are read best.
   * Neither end is taken, where all deletions are one. */
  function clearest(levels, curves) {
    let best = 0;
    let widest = -1;
    levels.forEach((level, place) => {
      if (level <= 0 || level > 0.7) return;
      const heights = curves.map((curve) => curve[place]).sort((left, right) => left - right);
      let closest = curves.length > 1 ? Infinity : level;
      for (let next = 1; next < heights.length; next += 1) {
        closest = Math.min(closest, heights[next] - heights[next - 1]);
      }
      if (closest > widest) {
        widest = closest;
        best = place;
      }
    });
    return best;
  }

  function path(kind, drawn) {
    return `<path class="${kind}" d="${drawn}"/>`;
  }

  function words(text, x, y, attributes) {
    return `<text x="${rounded(x)}" y="${rounded(y)}" ${attributes}>${escaped(text)}</text>`;
  }

  function markers(kind, drawn) {
    return `<g class="markers ${kind}">${drawn.join("")}</g>`;
  }

  const SHAPES = {
    circle: (x, y) => `<circle cx="${x}" cy="${y}" r="4"/>`,
    square: (x, y) => `<rect x="${rounded(x - 3.5)}" y="${rounded(y - 3.5)}" width="7" height="7"/>`,
    triangle: (x, y) => `<path d="M${x} ${rounded(y - 5)}l4.6 8h-9.2z"/>`,
    diamond: (x, y) => `<path d="M${x} ${rounded(y - 5)}l5 5l-5 5l-5 -5z"/>`,
    cross: (x, y) => `<path d="M${rounded(x - 4)} ${rounded(y - 4)}l8 8m0 -8l-8 8" class="open"/>`,
  };

  function marker(shape, x, y) {
    return SHAPES[shape](rounded(x), rounded(y));
  }

  /** Names beside points, moved apart where they would meet, each with a line to its point.
   * points: [{key, label, x, y}]. They stand to the right of their points, or to the left beyond `turn`. */
  function names(points, low, high, turn) {
    const heights = spread(points.map((point) => point.y), LINE, low, high);
    return points
      .map((point, place) => {
        const side = point.x > turn ? -1 : 1;
        const at = point.x + side * 14;
        const anchor = side > 0 ? "start" : "end";
        const y = heights[place];
        return (
          path("leader", `M${rounded(point.x)} ${rounded(point.y)}L${rounded(at - side * 2)} ${rounded(y)}`) +
          words(point.label, at, y + 4, `class="name series-${point.key}" text-anchor="${anchor}"`)
        );
      })
      .join("");
  }

  function axes({ width, height, across, down, horizontal, vertical, ticks }) {
    const floor = height - ROOM.bottom;
    const centred = 'text-anchor="middle"';
    const upright = `${centred} transform="translate(12 ${rounded((ROOM.top + floor) / 2)}) rotate(-90)"`;
    const parts = [
      path("axis", `M${ROOM.left} ${ROOM.top}V${floor}H${width - ROOM.right}`),
      words(horizontal, (ROOM.left + width - ROOM.right) / 2, height - 6, centred),
      words(vertical, 0, 0, upright),
    ];
    for (const [value, text] of ticks.across) {
      const x = rounded(across(value));
      parts.push(path("axis", `M${x} ${floor}v4`), words(text, x, floor + 17, centred));
    }
    for (const [value, text] of ticks.down) {
      const y = rounded(down(value));
      parts.push(path("grid", `M${ROOM.left} ${y}H${width - ROOM.right}`));
      parts.push(words(text, ROOM.left - 6, y + 4, 'text-anchor="end"'));
    }
    return parts.join("");
  }

  function drawing(width, height, title, content) {
    return (
      `<svg class="judge-chart" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" ` +
      `aria-label="${escaped(title)}">${content}</svg>`
    );
  }

  /** Steps of a scale from 0 to a highest value, four or five of them. */
  function steps(highest) {
    const size = [0.05, 0.1, 0.2, 0.25, 0.5, 1].find((step) => highest / step <= 5) ?? highest / 4;
    const values = [];
    for (let value = 0; value <= highest + 1e-9; value += size) values.push(Number(value.toFixed(6)));
    return values;
  }

  /**
   * Deletion curves: the score that is left over the share of the target that is deleted.
   *
   * series: [{key, label, shape, levels, scores}]. mark: {level}, where a line stands and every curve has its marker.
   * chance: {level, score}, what a blind deletion leaves. title: what the chart says, for those who do not see it.
   */
  function curveChart({ width, height = 300, series, mark, chance, title, vertical = "score left" }) {
    const highest = Math.max(0.1, ...series.flatMap((curve) => [...curve.scores])) * 1.04;
    const lowest = Math.min(0, ...series.flatMap((curve) => [...curve.scores]));
    const floor = height - ROOM.bottom;
    const across = scale([0, 1], [ROOM.left, width - ROOM.right]);
    const down = scale([lowest, highest], [floor, ROOM.top]);
    const ticks = {
      across: (width < 380 ? [0, 0.5, 1] : [0, 0.2, 0.4, 0.6, 0.8, 1]).map((value) => [value, percent(value)]),
      down: steps(highest).map((value) => [value, decimal(value, highest < 0.3 ? 2 : 1)]),
    };
    const parts = [axes({ width, height, across, down, horizontal: "share of the target deleted", vertical, ticks })];
    if (mark) parts.push(path("mark", `M${rounded(across(mark.level))} ${ROOM.top}V${floor}`));
    for (const curve of series) {
      const points = [...curve.levels].map((level, place) => [across(level), down(curve.scores[place])]);
      parts.push(path(`curve series-${curve.key}`, `M${points.map((point) => point.map(rounded).join(" ")).join("L")}`));
      parts.push(markers(`series-${curve.key}`, points.map(([x, y]) => marker(curve.shape, x, y))));
    }
    const named = [];
    if (series.length) {
      const longest = series.reduce((most, curve) => (curve.levels.length > most.levels.length ? curve : most));
      const complete = series.filter((curve) => curve.levels.length === longest.levels.length);
      const place = clearest([...longest.levels], complete.map((curve) => [...curve.scores]));
      for (const curve of series) {
        const own = Math.min(place, curve.levels.length - 1);
        named.push({ key: curve.key, label: curve.label, x: across(curve.levels[own]), y: down(curve.scores[own]) });
      }
    }
    if (chance) {
      const [x, y] = [across(chance.level), down(chance.score)];
      parts.push(markers("chance", [marker("diamond", x, y)]));
      named.push({ key: "chance", label: "by chance", x, y });
    }
    parts.push(names(named, ROOM.top + 4, floor - 6, ROOM.left + (width - ROOM.left - ROOM.right) * 0.66));
    return drawing(width, height, title, parts.join(""));
  }

  /**
   * What blind selections lose over how ragged they are, and where maps lie among them.
   *
   * values: their TDD; grain: px of border a selected pixel, above 0, drawn on a scale of logarithms.
   * marks: [{key, label, shape, grain, value}].
   */
  function nullChart({ width, height = 300, values, grain, marks, title }) {
    const all = [...values, ...marks.map((entry) => entry.value)].filter(Number.isFinite);
    const highest = Math.max(0.1, ...all) * 1.06;
    const lowest = Math.min(0, ...all) * 1.06;
    const grains = [...grain, ...marks.map((entry) => entry.grain)].filter((value) => value > 0);
    const ends = [Math.min(...grains) * 0.9, Math.max(...grains) * 1.1].map(Math.log);
    const floor = height - ROOM.bottom;
    const logarithm = scale(ends, [ROOM.left, width - ROOM.right]);
    const across = (value) => logarithm(Math.log(value));
    const down = scale([lowest, highest], [floor, ROOM.top]);
    const below = lowest < 0 ? steps(-lowest).slice(1).map((value) => -value) : [];
    const ticks = {
      across: [0.05, 0.1, 0.3, 1, 2.5]
        .filter((value) => Math.log(value) >= ends[0] && Math.log(value) <= ends[1])
        .map((value) => [value, String(value)]),
      down: [...steps(highest), ...below].map((value) => [value, percent(value).replace("-", "−")]),
    };
    const [horizontal, vertical] = ["raggedness: px of border a deleted pixel", "loss of the score"];
    const parts = [axes({ width, height, across, down, horizontal, vertical, ticks })];
    const places = [...values].map((value, place) => [across(grain[place]), down(value)].map(rounded));
    parts.push(`<g class="blind">${places.map(([x, y]) => `<circle cx="${x}" cy="${y}" r="2.5"/>`).join("")}</g>`);
    const points = marks.map((entry) => ({ ...entry, x: across(entry.grain), y: down(entry.value) }));
    for (const point of points) parts.push(markers(`series-${point.key}`, [marker(point.shape, point.x, point.y)]));
    parts.push(names(points, ROOM.top + 4, floor - 6, ROOM.left + (width - ROOM.left - ROOM.right) * 0.6));
    return drawing(width, height, title, parts.join(""));
  }

  globalThis.segattr.panel = Object.assign(globalThis.segattr.panel, { escaped, scale, spread, clearest, curveChart, nullChart });
}
