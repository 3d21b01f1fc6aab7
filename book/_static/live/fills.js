/* What filled pixels become: the picture's mean colour, the picture blurred, or black. */

(function fills() {
  "use strict";
  const live = ((globalThis.segattr ??= {}).live ??= {});
  (live.sources ??= {}).fills = fills;

  live.FILLS = ["mean", "blur", "zeros"];
  const BLUR = 1 / 20;  // the standard deviation of the blur, as a share of the picture's height
  const REACH = 4;  // standard deviations, to which a Gaussian goes

  /* RGB in [0,1], channel after channel, of interleaved 8-bit RGB: Float32Array of 3*H*W. */
  live.planes = function planes(rgb) {
    const count = rgb.length / 3;
    const pixels = new Float32Array(rgb.length);
    for (let channel = 0; channel < 3; channel += 1) {
      for (let pixel = 0; pixel < count; pixel += 1) {
        pixels[channel * count + pixel] = rgb[3 * pixel + channel] / 255;
      }
    }
    return pixels;
  };

  /* The opposite of `planes`, rounded to 8 bits. */
  live.interleaved = function interleaved(pixels) {
    const count = pixels.length / 3;
    const rgb = new Uint8Array(pixels.length);
    for (let channel = 0; channel < 3; channel += 1) {
      for (let pixel = 0; pixel < count; pixel += 1) {
        rgb[3 * pixel + channel] = Math.round(255 * Math.min(1, Math.max(0, pixels[channel * count + pixel])));
      }
    }
    return rgb;
  };

  /* Where a place beyond either end of a row lies in the mirror: d c b a | a b c d | d c b a. */
  function mirrored(place, length) {
    const period = 2 * length;
    const within = ((place % period) + period) % period;
    return within < length ? within : period - 1 - within;
  }

  /* One pass along lines of `length` px. */
  function smoothed(values, lines, length, stride, weights, border) {
    const result = new Float32Array(values.length);
    const radius = (weights.length - 1) / 2;
    const padded = new Float64Array(length + 2 * radius);
    for (let line = 0; line < lines; line += 1) {
      const start = line * stride.line;
      for (let place = -radius; place < length + radius; place += 1) {
        const inside = place >= 0 && place < length;
        const source = start + (inside ? place : mirrored(place, length)) * stride.pixel;
        padded[place + radius] = inside || border === "mirror" ? values[source] : 0;
      }
      for (let place = 0; place < length; place += 1) {
        let sum = padded[place + radius] * weights[radius];
        for (let step = 1; step <= radius; step += 1) {
          sum += (padded[place + radius - step] + padded[place + radius + step]) * weights[radius + step];
        }
        result[start + place * stride.pixel] = sum;
      }
    }
    return result;
  }

  /* Gaussian blur of one channel, Float32Array of H*W, as scipy's gaussian_filter has it. sigma: px. border: "mirror",
   * or "zero" where nothing lies beyond. */
  live.gaussian = function gaussian(values, height, width, sigma, border) {
    const radius = Math.floor(REACH * sigma + 0.5);
    const bell = Array.from({ length: 2 * radius + 1 }, (_, place) => Math.exp(-0.5 * ((place - radius) / sigma) ** 2));
    const sum = bell.reduce((total, value) => total + value, 0);
    const weights = Float64Array.from(bell, (value) => value / sum);
    const down = smoothed(values, width, height, { line: 1, pixel: width }, weights, border);
    return smoothed(down, height, width, { line: width, pixel: 1 }, weights, border);
  };

  /* The picture that is taken over where pixels are filled, Float32Array of 3*H*W; pixels as `planes` gives them. */
  live.filledWith = function filledWith(fill, pixels, height, width) {
    const count = height * width;
    const reference = new Float32Array(pixels.length);
    for (let channel = 0; channel < 3 && fill !== "zeros"; channel += 1) {
      const plane = pixels.subarray(channel * count, (channel + 1) * count);
      if (fill === "blur") {
        reference.set(live.gaussian(plane, height, width, BLUR * height, "mirror"), channel * count);
      } else {
        const mean = plane.reduce((sum, value) => sum + value, 0) / count;
        reference.fill(mean, channel * count, (channel + 1) * count);
      }
    }
    return reference;
  };
})();
