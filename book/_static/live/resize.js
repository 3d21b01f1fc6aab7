/* A picture as the model sees it: opaque RGB, resized as Pillow resizes it, to the bit. A canvas resizes otherwise. */

(function resize() {
  "use strict";
  const live = ((globalThis.segattr ??= {}).live ??= {});
  (live.sources ??= {}).resize = resize;

  const WEIGHT_BITS = 22;  // Pillow's fixed point: 32 bits less 8 of a pixel and 2 to spare
  const BLEND_BITS = 7;  // the same of its blending
  const SMALLEST = 8;  // px a side

  /* Half to even, as Python rounds. */
  function rounded(value) {
    const below = Math.floor(value);
    const rest = value - below;
    return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
  }

  /* {width, height} in px of a picture of these proportions whose long side is `longest`; at least 8 px each. */
  live.resizedShape = function resizedShape(width, height, longest) {
    const scale = longest / Math.max(width, height);
    return {
      width: Math.max(SMALLEST, rounded(width * scale)),
      height: Math.max(SMALLEST, rounded(height * scale)),
    };
  };

  /* RGB of an RGBA picture on white, as Pillow's alpha_composite has it: Uint8Array of H*W*3. */
  live.opaque = function opaque({ width, height, data }) {
    const rgb = new Uint8Array(3 * width * height);
    for (let from = 0, to = 0; to < rgb.length; from += 4, to += 3) {
      const ink = data[from + 3] << BLEND_BITS;
      const paper = (255 << BLEND_BITS) - ink;
      for (let channel = 0; channel < 3; channel += 1) {
        const mixed = data[from + channel] * ink + 255 * paper + (0x80 << BLEND_BITS);
        rgb[to + channel] = ((mixed >> 8) + mixed) >> (8 + BLEND_BITS);
      }
    }
    return rgb;
  };

  /* Which pixels of `before` px in a row make each of `after` px, and with which weights.
   *
   * A triangle as wide as a pixel of the result, or of the source where the picture grows; whole numbers that sum to
   * about 2^22. */
  function windows(before, after) {
    const scale = before / after;
    const support = Math.max(scale, 1);
    return Array.from({ length: after }, (_, place) => {
      const centre = (place + 0.5) * scale;
      const first = Math.max(0, Math.trunc(centre - support + 0.5));
      const end = Math.min(before, Math.trunc(centre + support + 0.5));
      const shares = Array.from({ length: end - first }, (_unused, step) =>
        Math.max(0, 1 - Math.abs((first + step - centre + 0.5) * (1 / support))));
      const sum = shares.reduce((total, share) => total + share, 0);
      const weights = shares.map((share) => Math.trunc(0.5 + share / sum * (1 << WEIGHT_BITS)));
      return { first, weights: Int32Array.from(weights) };
    });
  }

  /* One pass: `lines` lines of `before` px become lines of `after`; strides say how far pixels and lines lie apart. */
  function passed(rgb, lines, before, after, from, to) {
    const result = new Uint8Array(3 * lines * after);
    windows(before, after).forEach(({ first, weights }, place) => {
      for (let line = 0; line < lines; line += 1) {
        for (let channel = 0; channel < 3; channel += 1) {
          let sum = 1 << (WEIGHT_BITS - 1);
          let source = line * from.line + first * from.pixel + channel;
          for (const weight of weights) {
            sum += rgb[source] * weight;
            source += from.pixel;
          }
          result[line * to.line + place * to.pixel + channel] = Math.min(255, sum >> WEIGHT_BITS);
        }
      }
    });
    return result;
  }

  /* RGB of another size by the bilinear filter of Pillow 13, antialiased, in two passes, each rounded to 8 bits: along
   * the columns first where that takes away more than twice as many lines as the other would pixels of a line. */
  live.resized = function resized(rgb, width, height, newWidth, newHeight) {
    const alongRows = (pixels, lines) => passed(pixels, lines, width, newWidth,
      { line: 3 * width, pixel: 3 }, { line: 3 * newWidth, pixel: 3 });
    const alongColumns = (pixels, lines) => passed(pixels, lines, height, newHeight,
      { line: 3, pixel: 3 * lines }, { line: 3, pixel: 3 * lines });
    if (newWidth === width && newHeight === height) return rgb;
    if (newWidth === width) return alongColumns(rgb, width);
    if (newHeight === height) return alongRows(rgb, height);
    const downFirst = newHeight < height && height - newHeight > 2 * (width - newWidth);
    return downFirst
      ? alongRows(alongColumns(rgb, width), newHeight)
      : alongColumns(alongRows(rgb, height), newWidth);
  };
})();
