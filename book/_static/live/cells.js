/* Region interventions: what the score loses with each cell of a grid (RIA), as a map. */

(function cells() {
  "use strict";
  const live = ((globalThis.segattr ??= {}).live ??= {});
  (live.sources ??= {}).cells = cells;

  /* The number, row-major, of the grid cell that holds each pixel: Int32Array of H*W; edges at floor(i * H / grid). */
  live.cellsOf = function cellsOf(height, width, grid) {
    const band = (size) => {
      const bands = new Int32Array(size);
      for (let edge = 1; edge < grid; edge += 1) {
        bands.fill(edge, Math.floor(edge * size / grid), Math.floor((edge + 1) * size / grid));
      }
      return bands;
    };
    const [rows, columns] = [band(height), band(width)];
    return Int32Array.from({ length: height * width }, (_, pixel) =>
      rows[Math.floor(pixel / width)] * grid + columns[pixel % width]);
  };

  /* N: a map's values from 0 to 1; a constant map becomes zeros. What is NaN, not known yet, stays so. */
  live.normalised = function normalised(map) {
    const low = map.reduce((least, value) => (value < least ? value : least), Infinity);
    const high = map.reduce((most, value) => (value > most ? value : most), -Infinity);
    const spread = high - low;
    return map.map((value) => (spread > 0 ? (value - low) / spread : 0 * value));
  };

  /* The map of what cells lose, not yet normalised: a rise counts as 0; NaN where a cell's drop is not known. */
  live.dropsAsMap = function dropsAsMap(drops, numbers) {
    return Float32Array.from(numbers, (number) => (number < drops.length ? Math.max(0, drops[number]) : NaN));
  };
})();
