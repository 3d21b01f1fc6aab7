// Maps, selections and pictures as flat arrays, row after row. Pure functions; no page is needed.
"use strict";
{
  /** Where cells begin and end along a side of `size` px: floor(i * size / grid), as segattr_lib.perturbation.cells. */
  function edges(size, grid) {
    if (!(grid >= 1 && grid <= size)) {
      throw new Error(`grid is ${grid}; expected 1 to ${size} for a side of ${size} px.`);
    }
    return Array.from({ length: grid + 1 }, (_, place) => Math.floor((place * size) / grid));
  }

  /** The cell that holds a pixel along one side. */
  function cellOf(pixel, size, grid) {
    const bounds = edges(size, grid);
    const inside = Math.min(Math.max(pixel, 0), size - 1);
    let place = 0;
    while (bounds[place + 1] <= inside) place += 1;
    return place;
  }

  /** Set the pixels of one cell of a (height, width) array. */
  function fillCell(values, { height, width, grid, row, column }, value) {
    const rows = edges(height, grid);
    const columns = edges(width, grid);
    for (let y = rows[row]; y < rows[row + 1]; y += 1) {
      values.fill(value, y * width + columns[column], y * width + columns[column + 1]);
    }
  }

  /** The middle of a cell, as [x, y] in px. */
  function cellCentre({ height, width, grid, row, column }) {
    const rows = edges(height, grid);
    const columns = edges(width, grid);
    return [(columns[column] + columns[column + 1]) / 2, (rows[row] + rows[row + 1]) / 2];
  }

  /** Pixels whose middle a round brush meets on its way between two points, [x, y] in px: handed to `visit` as indices,
   * some more than once. radius: in px; .75 meets at least the pixels that the points lie in. */
  function alongStroke({ height, width, from, to, radius }, visit) {
    const steps = Math.max(1, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]) / Math.max(1, radius / 2)));
    for (let step = 0; step <= steps; step += 1) {
      const x = from[0] + ((to[0] - from[0]) * step) / steps;
      const y = from[1] + ((to[1] - from[1]) * step) / steps;
      const top = Math.max(0, Math.floor(y - radius));
      const bottom = Math.min(height - 1, Math.floor(y + radius));
      const left = Math.max(0, Math.floor(x - radius));
      const right = Math.min(width - 1, Math.floor(x + radius));
      for (let row = top; row <= bottom; row += 1) {
        for (let column = left; column <= right; column += 1) {
          if ((row + 0.5 - y) ** 2 + (column + 0.5 - x) ** 2 <= radius ** 2) visit(row * width + column);
        }
      }
    }
  }

  function count(mask) {
    let total = 0;
    for (let place = 0; place < mask.length; place += 1) total += mask[place] ? 1 : 0;
    return total;
  }

  /** What share of the target, and what share of all else, a selection holds. */
  function sharesOf(selection, mask) {
    let inside = 0;
    let outside = 0;
    for (let place = 0; place < mask.length; place += 1) {
      if (!selection[place]) continue;
      if (mask[place]) inside += 1;
      else outside += 1;
    }
    const whole = count(mask);
    return {
      inTarget: whole ? inside / whole : 0,
      elsewhere: mask.length > whole ? outside / (mask.length - whole) : 0,
    };
  }

  /**
   * The top fraction k of a region by a map, as segattr_lib.perturbation.top_fraction selects it: exactly
   * max(1, floor(k |region| + .5)) pixels, ties in row-major order; nothing for k = 0 or an empty region.
   */
  function topFraction(map, mask, k) {
    const selection = new Uint8Array(mask.length);
    const places = [];
    for (let place = 0; place < mask.length; place += 1) if (mask[place]) places.push(place);
    if (!places.length || !(k > 0)) return selection;
    const wanted = Math.min(places.length, Math.max(1, Math.floor(k * places.length + 0.5)));
    const values = Float32Array.from(places, (place) => map[place]).sort();
    const cut = values[values.length - wanted];
    let quota = wanted;
    for (const place of places) if (map[place] > cut) quota -= 1;
    for (const place of places) {
      if (map[place] > cut) selection[place] = 1;
      else if (map[place] === cut && quota > 0) {
        selection[place] = 1;
        quota -= 1;
      }
    }
    return selection;
  }

  /** Means over squares of 2 * radius + 1 px, cut at the frame. */
  function boxBlur(values, height, width, radius) {
    const along = (source, lines, length, lineStep, step) => {
      const result = new Float32Array(source.length);
      for (let line = 0; line < lines; line += 1) {
        for (let place = 0; place < length; place += 1) {
          const first = Math.max(0, place - radius);
          const last = Math.min(length - 1, place + radius);
          let total = 0;
          for (let near = first; near <= last; near += 1) total += source[line * lineStep + near * step];
          result[line * lineStep + place * step] = total / (last - first + 1);
        }
      }
      return result;
    };
    return along(along(values, height, width, width, 1), width, height, 1, width);
  }

  /** A map from strokes: how often the brush was drawn over each pixel, softened, so that the middle of a stroke comes
   * before its rim; its greatest value is 1. */
  function drawnMap(strokes, height, width) {
    const radius = Math.max(1, Math.round(Math.min(height, width) / 48));
    const soft = boxBlur(boxBlur(strokes, height, width, radius), height, width, radius);
    let highest = 0;
    for (const value of soft) highest = Math.max(highest, value);
    return highest ? soft.map((value) => value / highest) : soft;
  }

  /** The region that a pixel lies in, or none. */
  function regionAt(regions, place) {
    return regions.find((region) => region.mask[place]) ?? null;
  }

  /**
   * What may be the target: every class that is seen, the largest first; of one in several parts, the whole before its
   * parts. [{class_id, name, label, share, probability, mask}], label being what tells parts of one class apart.
   */
  function targetsOf({ classes, regions }, most = 8) {
    const targets = [];
    for (const whole of classes) {
      const parts = regions.filter((region) => region.class_id === whole.class_id);
      if (parts.length < 2) {
        targets.push({ ...whole, label: whole.name });
        continue;
      }
      targets.push({ ...whole, label: `${whole.name}, all ${parts.length} parts` });
      parts.forEach((part, place) => targets.push({ ...part, label: `${part.name}, part ${place + 1}` }));
    }
    return targets.slice(0, most);
  }

  const HATCH = 6; // px from one stripe to the next

  /** Darken and stripe the selected pixels of a picture of four bytes a pixel, so that they read as taken away. */
  function hatched(rgba, selection, width) {
    const result = new Uint8ClampedArray(rgba);
    for (let place = 0; place < selection.length; place += 1) {
      if (!selection[place]) continue;
      const stripe = ((place % width) + Math.floor(place / width)) % HATCH < 2;
      for (let channel = 0; channel < 3; channel += 1) {
        result[place * 4 + channel] = stripe ? 235 : rgba[place * 4 + channel] * 0.25;
      }
    }
    return result;
  }

  const MAP_SHARE = 0.65; // of an overlay, as in segattr_lib.report.panels; the rest is the picture, in grey

  /** A map in magma over the grey picture, four bytes a pixel; where the map is not known yet, the picture itself.
   * rgb: three bytes a pixel; map in [0, 1]. */
  function overlay(rgb, map) {
    const colours = globalThis.segattr.panel.MAGMA;
    const rgba = new Uint8ClampedArray(map.length * 4);
    for (let place = 0; place < map.length; place += 1) {
      const known = Number.isFinite(map[place]);
      const grey = (rgb[place * 3] + rgb[place * 3 + 1] + rgb[place * 3 + 2]) / 3;
      const entry = known ? Math.min(255, Math.floor(Math.min(Math.max(map[place], 0), 1) * 256)) * 3 : 0;
      for (let channel = 0; channel < 3; channel += 1) {
        const mixed = MAP_SHARE * colours[entry + channel] + (1 - MAP_SHARE) * grey;
        rgba[place * 4 + channel] = known ? mixed : rgb[place * 3 + channel];
      }
      rgba[place * 4 + 3] = 255;
    }
    return rgba;
  }

  /** The pixel edges between a mask and what is not of it, as [x0, y0, x1, y1] in px: what outlines it. */
  function outlineOf(mask, height, width) {
    const lines = [];
    const at = (y, x) => (y < 0 || x < 0 || y >= height || x >= width ? 0 : mask[y * width + x] ? 1 : 0);
    for (let y = 0; y <= height; y += 1) {
      for (let x = 0; x <= width; x += 1) {
        if (at(y, x) !== at(y - 1, x)) lines.push([x, y, x + 1, y]);
        if (at(y, x) !== at(y, x - 1)) lines.push([x, y, x, y + 1]);
      }
    }
    return lines;
  }

  globalThis.segattr ??= {};
  globalThis.segattr.panel = Object.assign(globalThis.segattr.panel ?? {}, {
    edges,
    cellOf,
    fillCell,
    cellCentre,
    alongStroke,
    count,
    sharesOf,
    topFraction,
    boxBlur,
    drawnMap,
    regionAt,
    targetsOf,
    hatched,
    overlay,
    outlineOf,
  });
}
