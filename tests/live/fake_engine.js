/* An engine without a model, for tests of the panel: the same interface, answers within milliseconds.

A page loads it after engine.js. Its one model calls a pixel "bright" where its mean of RGB is at least .5 and its
probability of that is the mean itself, so that every score can be worked out by hand. */

(function fake() {
  "use strict";
  const live = ((globalThis.segattr ??= {}).live ??= {});
  const SIZE = 32;  // px of the long side of what it sees
  const BRIGHT = 1;
  const PAUSE = 2;  // ms between steps of what takes many passes, so that it can be superseded
  const about = { id: "fake", title: "Brightness", megabytes: 0.1, size: SIZE, classes: ["background", "bright"],
    credit: "none" };

  live.models = [about];
  live.pictures = async () => [];

  live.open = async (modelId, { progress = () => {} } = {}) => {
    if (modelId !== about.id) throw new Error(`There is no live model ${modelId}; choose ${about.id}.`);
    progress(0, "loading nothing");
    progress(1, "ready");
    const state = { seen: null, target: null };
    let latest = 0;
    let drop = () => {};

    /* Runs what gives an answer, step by step, unless something newer is asked for. */
    function alone(steps) {
      drop();
      latest += 1;
      const id = latest;
      return new Promise((resolve, reject) => {
        drop = () => reject(Object.assign(new Error("A newer request took the place of this one."),
          { name: "Superseded" }));
        const alive = () => id === latest;
        (async () => steps(async () => {
          await new Promise((go) => setTimeout(go, PAUSE));
          return alive();
        }))().then((answer) => alive() && resolve(answer), (error) => alive() && reject(error));
      });
    }

    const pixels = () => state.seen.height * state.seen.width;
    const brightness = (rgb, pixel) => (rgb[3 * pixel] + rgb[3 * pixel + 1] + rgb[3 * pixel + 2]) / 765;

    function filled(selection, fill) {
      const rgb = state.seen.rgb.slice();
      const mean = [0, 1, 2].map((channel) => {
        let sum = 0;
        for (let pixel = 0; pixel < pixels(); pixel += 1) sum += state.seen.rgb[3 * pixel + channel];
        return Math.round(sum / pixels());
      });
      const value = fill === "zeros" ? [0, 0, 0] : mean;
      for (let pixel = 0; pixel < pixels(); pixel += 1) if (selection[pixel]) rgb.set(value, 3 * pixel);
      return rgb;
    }

    function score(rgb) {
      if (!state.target) throw new Error("There is no target yet; choose one.");
      const { mask, class_id: classId } = state.target;
      let sum = 0;
      let count = 0;
      for (let pixel = 0; pixel < pixels(); pixel += 1) {
        if (!mask[pixel]) continue;
        count += 1;
        sum += classId === BRIGHT ? brightness(rgb, pixel) : 1 - brightness(rgb, pixel);
      }
      return sum / count;
    }

    function top(map, share) {
      const inside = [];
      for (let pixel = 0; pixel < pixels(); pixel += 1) if (state.target.mask[pixel]) inside.push(pixel);
      inside.sort((a, b) => map[b] - map[a] || a - b);
      const selection = new Uint8Array(pixels());
      for (const pixel of inside.slice(0, Math.floor(share * inside.length + 0.5))) selection[pixel] = 1;
      return selection;
    }

    const tdd = (selection, fill) => 1 - score(filled(selection, fill)) / score(state.seen.rgb);

    return {
      about,
      look: ({ width, height, data }) => alone(async () => {
        const scale = SIZE / Math.max(width, height);
        const shape = { height: Math.max(8, Math.round(height * scale)), width: Math.max(8, Math.round(width * scale)) };
        const count = shape.height * shape.width;
        const [rgb, labels] = [new Uint8Array(3 * count), new Uint8Array(count)];
        let sum = 0;
        for (let pixel = 0; pixel < count; pixel += 1) {
          const row = Math.floor(Math.floor(pixel / shape.width) * height / shape.height);
          const column = Math.floor((pixel % shape.width) * width / shape.width);
          rgb.set(data.subarray(4 * (row * width + column), 4 * (row * width + column) + 3), 3 * pixel);
          labels[pixel] = brightness(rgb, pixel) >= 0.5 ? BRIGHT : 0;
          if (labels[pixel]) sum += brightness(rgb, pixel);
        }
        const area = labels.reduce((total, label) => total + label, 0);
        const whole = { class_id: BRIGHT, name: "bright", share: area / count, probability: sum / area,
          mask: labels.slice() };
        const classes = area ? [whole] : [];
        const nearest = area ? null : { class_id: BRIGHT, name: "bright", probability: 0.4 };
        state.seen = { ...shape, rgb, labels, classes, regions: classes, nearest };
        state.target = null;
        return state.seen;
      }),
      target: (target) => alone(async () => {
        state.target = target;
        return { score: score(state.seen.rgb) };
      }),
      without: (selection, fill) => alone(async () => {
        const rgb = filled(selection, fill);
        return { score: score(rgb), rgb };
      }),
      explain: ({ method, grid = 14, budget = 49, fill = "mean", progress: report = () => {} }) => alone(async (on) => {
        const cells = method === "ria" ? grid : Math.floor(Math.sqrt(budget - 1));
        const [map, whole] = [new Float32Array(pixels()).fill(NaN), score(state.seen.rgb)];
        const cellOf = (pixel) => {
          const row = Math.floor(Math.floor(pixel / state.seen.width) * cells / state.seen.height);
          return row * cells + Math.floor((pixel % state.seen.width) * cells / state.seen.width);
        };
        for (let cell = 0; cell < cells * cells; cell += 1) {
          const selection = Uint8Array.from(map, (_, pixel) => Number(cellOf(pixel) === cell));
          const drop = Math.max(0, whole - score(filled(selection, fill)));
          selection.forEach((selected, pixel) => { if (selected) map[pixel] = drop; });
          if (cell % cells === 0) {
            if (!await on()) return null;
            report(map.slice(), cell + 1, cells * cells);
          }
        }
        const highest = map.reduce((most, value) => Math.max(most, value), 0);
        return { map: map.map((value) => highest ? value / highest : 0), passes: cells * cells + 1 };
      }),
      curve: ({ map, fill = "mean", levels = [...Array(11).keys()].map((level) => level / 10),
        progress: report = () => {} }) => alone(async (on) => {
        const scores = new Float32Array(levels.length).fill(NaN);
        for (const [place, level] of levels.entries()) {
          scores[place] = score(filled(top(map, level), fill));
          if (!await on()) return null;
          report(scores.slice(), place + 1, levels.length);
        }
        return { levels: Float32Array.from(levels), scores };
      }),
      tdd: ({ map, k = 0.2, fill = "mean" }) => alone(async () => tdd(top(map, k), fill)),
      null: ({ map, draws = 86, k = 0.2, fill = "mean", progress: report = () => {} }) => alone(async (on) => {
        const [values, grain] = [new Float32Array(draws), new Float32Array(draws)];
        for (let draw = 0; draw < draws; draw += 1) {
          values[draw] = tdd(top(Float32Array.from(map, (_, pixel) => (pixel * (draw + 2) * 7919) % 1013), k), fill);
          grain[draw] = 2 * (draws - draw) / draws;
          if (draw % 10 === 0) {
            if (!await on()) return null;
            report(draw + 1, draws);
          }
        }
        const own = { value: tdd(top(map, k), fill), grain: 1 };
        const expected = values.reduce((sum, value) => sum + value, 0) / draws;
        const beyond = values.filter((value) => value >= own.value).length;
        return { values, grain, own, expected, excess: own.value - expected, p: (1 + beyond) / (1 + draws) };
      }),
      cancel() {
        drop();
        latest += 1;
      },
      close() { this.cancel(); },
    };
  };
})();
