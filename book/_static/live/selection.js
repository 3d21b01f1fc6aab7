/* Which pixels a map puts first: exactly the top share of a region, ties in row-major order. */

(function selection() {
  "use strict";
  const live = ((globalThis.segattr ??= {}).live ??= {});
  (live.sources ??= {}).selection = selection;

  /* The numbers of a mask's pixels, in row-major order. */
  live.pixelsOf = function pixelsOf(mask) {
    const pixels = [];
    mask.forEach((inside, pixel) => {
      if (inside) pixels.push(pixel);
    });
    return Uint32Array.from(pixels);
  };

  /* The pixels of a region, those of the highest value first; of equal values the first in row-major order. */
  live.ranked = function ranked(map, mask) {
    return live.pixelsOf(mask).sort((left, right) => map[right] - map[left] || left - right);
  };

  /* How many pixels the share k of a region of so many is: at least one. */
  live.countOf = function countOf(k, size) {
    return Math.max(1, Math.floor(k * size + 0.5));
  };

  /* The selection of the first pixels of a ranking, Uint8Array of `length` pixels. */
  live.firstOf = function firstOf(ranking, count, length) {
    const selected = new Uint8Array(length);
    for (const pixel of ranking.subarray(0, count)) selected[pixel] = 1;
    return selected;
  };

  /* The top share k in (0,1] of a region by a map; nothing of an empty region. */
  live.topFraction = function topFraction(map, mask, k) {
    const ranking = live.ranked(map, mask);
    return live.firstOf(ranking, live.countOf(k, ranking.length), mask.length);
  };
})();
