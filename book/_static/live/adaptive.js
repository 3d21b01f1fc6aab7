/* Cells that follow the target: fine on it, coarse elsewhere, as few as a budget allows (adaptive RIA). */

(function adaptive() {
  "use strict";
  const live = ((globalThis.segattr ??= {}).live ??= {});
  (live.sources ??= {}).adaptive = adaptive;

  const SMALLEST = 8;  // px a side of a cell
  const FOCUS = 0.6;  // the share of all weight that lies on the target

  /* The weights of pixels summed over rows and columns, (H+1) x (W+1), so that a rectangle's weight is four reads:
   * the target's pixels hold the share FOCUS of it, all pixels alike the rest. */
  function cumulated(mask, height, width) {
    const stride = width + 1;
    const size = mask.reduce((count, inside) => count + (inside ? 1 : 0), 0);
    const everywhere = (size ? 1 - FOCUS : 1) / mask.length;
    const onTarget = size ? FOCUS / size : 0;
    const summed = new Float64Array((height + 1) * stride);
    for (let column = 0; column < width; column += 1) {  // down the columns, then along the rows: to the bit as numpy
      for (let row = 0; row < height; row += 1) {
        const weight = (mask[row * width + column] ? onTarget : 0) + everywhere;
        summed[(row + 1) * stride + column + 1] = summed[row * stride + column + 1] + weight;
      }
    }
    for (let row = 1; row <= height; row += 1) {
      for (let column = 1; column <= width; column += 1) {
        summed[row * stride + column] += summed[row * stride + column - 1];
      }
    }
    return { at: (row, column) => summed[row * stride + column] };
  }

  function weightOf(summed, { top, bottom, left, right }) {
    return summed.at(bottom, right) - summed.at(top, right) - summed.at(bottom, left) + summed.at(top, left);
  }

  /* Halves of equal weight across the longer side, each at least SMALLEST px; null for a cell too small for that. */
  function halved(summed, { top, bottom, left, right }) {
    const [height, width] = [bottom - top, right - left];
    const longest = Math.max(height, width);
    if (longest < 2 * SMALLEST) return null;
    const across = height >= width;
    const along = Array.from({ length: longest + 1 }, (_, step) => (across
      ? summed.at(top + step, right) - summed.at(top + step, left)
      : summed.at(bottom, left + step) - summed.at(top, left + step)));
    const half = (along[0] + along[longest]) / 2;
    const place = along.findIndex((value) => value >= half);
    const middle = Math.min(Math.max(place, SMALLEST), longest - SMALLEST);
    return across
      ? [{ top, bottom: top + middle, left, right }, { top: top + middle, bottom, left, right }]
      : [{ top, bottom, left, right: left + middle }, { top, bottom, left: left + middle, right }];
  }

  /* Which of two cells is cut first: the heavier, of equal ones the first by its edges. */
  function before(cell, beside) {
    const edges = ["top", "bottom", "left", "right"];
    const keys = (of) => [-of.weight, ...edges.map((edge) => of[edge])];
    const [own, others] = [keys(cell), keys(beside)];
    const place = own.findIndex((key, index) => key !== others[index]);
    return own[place] < others[place];
  }

  /* The picture in at most `count` rectangles {top, bottom, left, right}, half open, the heaviest halved first. */
  live.layoutOf = function layoutOf(mask, height, width, count) {
    const summed = cumulated(mask, height, width);
    let open = [{ top: 0, bottom: height, left: 0, right: width, weight: 1 }];
    const small = [];
    while (open.length && open.length + small.length < count) {
      const heaviest = open.reduce((first, cell) => (before(cell, first) ? cell : first));
      open = open.filter((cell) => cell !== heaviest);
      const halves = halved(summed, heaviest);
      if (halves) open.push(...halves.map((half) => ({ ...half, weight: weightOf(summed, half) })));
      else small.push(heaviest);
    }
    return [...small, ...open];
  };

  /* The map of what cells lose, per pixel of theirs, not yet normalised; NaN where a cell's drop is not known. */
  live.layoutAsMap = function layoutAsMap(drops, layout, height, width) {
    const map = new Float32Array(height * width).fill(NaN);
    drops.forEach((drop, number) => {
      const { top, bottom, left, right } = layout[number];
      const value = Math.max(0, drop) / ((bottom - top) * (right - left));
      for (let row = top; row < bottom; row += 1) map.fill(value, row * width + left, row * width + right);
    });
    return map;
  };
})();
