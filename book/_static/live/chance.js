/* What a selection earns that knows nothing of the model: blind selections of the same size, from the finest grain to
 * the coarsest, and what they earn at a map's own grain (segattr_lib/metrics/null.py says why). */

(function chance() {
  "use strict";
  const live = ((globalThis.segattr ??= {}).live ??= {});
  (live.sources ??= {}).chance = chance;

  const SIGMAS = [0, 0.5, 0.7, 1, 1.4, 2, 2.8, 4, 5.6, 8, 11, 16, 22, 32];  // px, of level sets of smooth noise
  const SIDES = [2, 3, 4, 6, 8, 11, 16, 22, 32, 45];  // px, of cells
  const FIELDS = [
    ...SIGMAS.flatMap((sigma) => Array(4).fill({ kind: "level set", size: sigma })),
    ...SIDES.flatMap((side) => Array(3).fill({ kind: "cells", size: side })),
  ];
  const SHORT_SIDE = 224;  // what the px above are px of
  const BANDWIDTH = 0.3;  // of the fit, in the logarithm of the border length
  const DEGENERATE = 0.5;  // a selection cut at a value that more of its region shares is drawn again
  const TRIES = 100;

  live.DRAWS = FIELDS.length;

  /* Uniform draws in [0,1), the same for the same numbers: Jenkins' small fast generator, 32 bits. */
  live.generator = function generator(...numbers) {
    let [a, b, c, d] = [0xf1ea5eed, 0, 0, 0];
    function draw() {
      const e = (a - ((b << 27) | (b >>> 5))) | 0;
      a = b ^ ((c << 17) | (c >>> 15));
      b = (c + d) | 0;
      c = (d + e) | 0;
      d = (e + a) | 0;
      return (d >>> 0) / 2 ** 32;
    }
    for (const number of [...numbers, 0]) {
      [b, c, d] = [b ^ number, c ^ number, d ^ number];
      for (let round = 0; round < 20; round += 1) draw();
    }
    return draw;
  };

  live.noise = function noise(count, seed) {
    const draw = live.generator(seed);
    return Float32Array.from({ length: count }, draw);
  };

  /* Standard normal draws, by Box and Muller. */
  function normal(count, draw) {
    const values = new Float32Array(count + 1);
    for (let place = 0; place < count; place += 2) {
      const radius = Math.sqrt(-2 * Math.log(1 - draw()));
      const angle = 2 * Math.PI * draw();
      values[place] = radius * Math.cos(angle);
      values[place + 1] = radius * Math.sin(angle);
    }
    return values.subarray(0, count);
  }

  /* The length in px of a selection's border, wherever it runs: Crofton's formula over four directions; beyond the
   * frame nothing is selected. */
  live.borderLength = function borderLength(selected, height, width) {
    const at = (row, column) => row >= 0 && row < height && column >= 0 && column < width
      && selected[row * width + column] !== 0;
    let [straight, slanted] = [0, 0];
    for (let row = -1; row < height; row += 1) {
      for (let column = -1; column < width; column += 1) {
        const [here, right] = [at(row, column), at(row, column + 1)];
        const [below, across] = [at(row + 1, column), at(row + 1, column + 1)];
        straight += Number(here !== right) + Number(here !== below);
        slanted += Number(here !== across) + Number(right !== below);
      }
    }
    return Math.PI / 8 * (straight + slanted / Math.SQRT2);
  };

  /* The root of the mask smoothed, by which smooth noise has one variance all over the mask; sigma in px, above 0. */
  function spreadOf(mask, height, width, sigma) {
    const smooth = live.gaussian(Float32Array.from(mask, Number), height, width, sigma / Math.SQRT2, "zero");
    return smooth.map((value) => Math.sqrt(Math.max(1e-12, value)));
  }

  /* Noise smoothed inside a mask of 0 and 1, of one variance all over it; sigma in px. spread: as spreadOf gives it,
   * where it is known already. */
  live.levelSetField = function levelSetField(noise, mask, height, width, sigma, spread = null) {
    const inside = noise.map((value, pixel) => value * mask[pixel]);
    if (sigma === 0) return inside;
    const root = spread ?? spreadOf(mask, height, width, sigma);
    return live.gaussian(inside, height, width, sigma, "zero").map((value, pixel) => value / root[pixel]);
  };

  /* Uniform noise on square cells of `side` px, the grid's offset drawn too. */
  function cellField(draw, height, width, side) {
    const [down, across] = [Math.floor(side * draw()), Math.floor(side * draw())];
    const columns = Math.floor(width / side) + 2;
    const values = Float32Array.from({ length: (Math.floor(height / side) + 2) * columns }, draw);
    return Float32Array.from({ length: height * width }, (_, pixel) => {
      const [row, column] = [Math.floor(pixel / width), pixel % width];
      return values[Math.floor((row + down) / side) * columns + Math.floor((column + across) / side)];
    });
  }

  /* The smallest box that holds a mask: {top, left, height, width, mask}, the mask inside it as 0 and 1. */
  function boxAround(mask, height, width) {
    let [top, bottom, left, right] = [height, -1, width, -1];
    mask.forEach((inside, pixel) => {
      if (!inside) return;
      const [row, column] = [Math.floor(pixel / width), pixel % width];
      [top, bottom] = [Math.min(top, row), Math.max(bottom, row)];
      [left, right] = [Math.min(left, column), Math.max(right, column)];
    });
    const size = { height: bottom - top + 1, width: right - left + 1 };
    const within = Uint8Array.from({ length: size.height * size.width }, (_, pixel) =>
      Number(mask[(top + Math.floor(pixel / size.width)) * width + left + (pixel % size.width)] !== 0));
    return { top, left, ...size, mask: within };
  }

  /* A function of a draw's number, 0 to draws - 1, that gives the top share k of a mask by a random field, Uint8Array
   * of H*W: numbers go through the fields of FIELDS from first to last, each drawn for itself. */
  live.blindSelections = function blindSelections(mask, height, width, k, draws, seed = 0) {
    const box = boxAround(mask, height, width);
    const scale = Math.min(height, width) / SHORT_SIDE;
    const spreads = new Map();
    const known = (sigma) => {
      if (sigma && !spreads.has(sigma)) spreads.set(sigma, spreadOf(box.mask, box.height, box.width, sigma));
      return spreads.get(sigma);
    };

    function field({ kind, size }, draw) {
      if (kind === "cells") return cellField(draw, box.height, box.width, Math.max(1, Math.round(size * scale)));
      const sigma = size * scale;
      const values = normal(box.mask.length, draw);
      return live.levelSetField(values, box.mask, box.height, box.width, sigma, known(sigma));
    }

    return (number) => {
      const draw = live.generator(seed, number);
      let [ranking, count] = [null, 0];
      for (let attempt = 0; attempt < TRIES; attempt += 1) {
        const values = field(FIELDS[Math.floor(number * FIELDS.length / draws)], draw);
        ranking = live.ranked(values, box.mask);
        count = live.countOf(k, ranking.length);
        const cut = values[ranking[count - 1]];
        const alike = ranking.reduce((sum, pixel) => sum + Number(values[pixel] === cut), 0);
        if (alike <= DEGENERATE * ranking.length) break;
      }
      const selected = new Uint8Array(mask.length);
      for (const pixel of ranking.subarray(0, count)) {
        selected[(box.top + Math.floor(pixel / box.width)) * width + box.left + (pixel % box.width)] = 1;
      }
      return selected;
    };
  };

  /* y at one x: local linear regression with Gaussian weights; beyond the ends of x the value there. */
  live.localFit = function localFit(x, y, at) {
    const place = Math.min(Math.max(...x), Math.max(Math.min(...x), at));
    const bells = Array.from(x, (value) => Math.exp(-0.5 * ((value - place) / BANDWIDTH) ** 2));
    const total = bells.reduce((sum, bell) => sum + bell, 0);
    const mean = (of) => bells.reduce((sum, bell, index) => sum + bell / total * of(index), 0);
    const [middle, level] = [mean((index) => x[index]), mean((index) => y[index])];
    const rise = mean((index) => (x[index] - middle) * y[index]);
    const slope = rise / (mean((index) => (x[index] - middle) ** 2) + 1e-4);
    return level + slope * (place - middle);
  };

  /* What blind selections say of a map: their border lengths in px, what they earned, and the same of the map's own;
   * {expected, excess, p}, as `engine.null` has them. */
  live.heldAgainst = function heldAgainst(lengths, values, ownLength, ownValue) {
    const x = Array.from(lengths, Math.log);
    const expected = live.localFit(x, values, Math.log(ownLength));
    const excess = ownValue - expected;
    const beyond = x.filter((length, index) => values[index] - live.localFit(x, values, length) >= excess).length;
    return { expected, excess, p: (1 + beyond) / (1 + x.length) };
  };
})();
