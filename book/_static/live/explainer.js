/* A model's answers about one picture: what it sees, what explains it, and what deletion says of a map.
 *
 * Everything asks the model through `forward`, so that any function from pictures to logits will do. */

(function explainer() {
  "use strict";
  const live = ((globalThis.segattr ??= {}).live ??= {});
  (live.sources ??= {}).explainer = explainer;

  const BATCH = 8;  // pictures; a newer request waits for as many
  const EPS = 1e-8;
  const LEVELS = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];

  /* An error whose message is for the reader. */
  live.refusal = function refusal(sentence) {
    return Object.assign(new Error(sentence), { name: "Refusal" });
  };

  function check(holds, sentence) {
    if (!holds) throw live.refusal(sentence);
  }

  function checkFill(fill) {
    check(live.FILLS.includes(fill), `The fill is ${fill}; expected ${live.FILLS.join(", ")}.`);
  }

  function checkShare(k) {
    check(k > 0 && k <= 1, `The share k is ${k}; expected more than 0 and at most 1.`);
  }

  function checkLength(what, values, { height, width }) {
    check(values?.length === height * width,
      `The ${what} has ${values?.length} pixels; expected ${height} x ${width}.`);
  }

  function checkMap(map, seen) {
    checkLength("map", map, seen);
    check(map.every(Number.isFinite), "The map has values that are no numbers; a map must be complete.");
  }

  /* forward(images, count, height, width): logits, Float32Array of count*C*H*W, of a classifier count*C, of images,
   * Float32Array of count*3*H*W, RGB in [0,1]; it may be a promise. size: px of the long side of what it sees; classes:
   * their names; kind: "segmenter" or "classifier".
   *
   * Each function takes `on`: proceed() is awaited before each batch and throws where the request was superseded,
   * report(...) tells what `progress` is called with. */
  live.explainerOf = function explainerOf(forward, { size, classes, kind = "segmenter" }) {
    const answers = live.answersOf(kind, classes);

    /* What the model sees: what is for the reader, and pixels, logits and fills for what else is asked. */
    async function look(picture, on) {
      const { width, height } = live.resizedShape(picture.width, picture.height, size);
      const numbers = 4 * picture.width * picture.height;
      check(picture.data?.length === numbers,
        `The picture has ${picture.data?.length} numbers; expected RGBA, ${numbers}, for its size.`);
      const rgb = live.resized(live.opaque(picture), picture.width, picture.height, width, height);
      const pixels = live.planes(rgb);
      await on.proceed();
      const logits = await forward(pixels, 1, height, width);
      const seen = answers.seen(logits, height, width);
      return { height, width, rgb, pixels, logits, fills: new Map(), ...seen };
    }

    function referenceOf(seen, fill) {
      checkFill(fill);
      if (!seen.fills.has(fill)) {
        seen.fills.set(fill, live.filledWith(fill, seen.pixels, seen.height, seen.width));
      }
      return seen.fills.get(fill);
    }

    /* Fills what is selected, in one of a batch of copies that begins at `start`. */
    function fillInto(images, start, seen, selected, reference) {
      const count = seen.height * seen.width;
      images.set(seen.pixels, start);
      for (let pixel = 0; pixel < count; pixel += 1) {
        if (!selected[pixel]) continue;
        for (let place = pixel; place < 3 * count; place += count) images[start + place] = reference[place];
      }
    }

    /* The scores of the picture with each of `count` selections filled; selectionOf(number) gives them when they are
     * needed. each(score, number) is called of every score, batch(done) after every batch. */
    async function scoresWithout(aimed, count, selectionOf, fill, on, each, batch = () => {}) {
      const { seen } = aimed;
      const length = 3 * seen.height * seen.width;
      const reference = referenceOf(seen, fill);
      for (let done = 0; done < count;) {
        await on.proceed();
        const some = Math.min(BATCH, count - done);
        const images = new Float32Array(some * length);
        for (let number = 0; number < some; number += 1) {
          fillInto(images, number * length, seen, selectionOf(done + number), reference);
        }
        const logits = await forward(images, some, seen.height, seen.width);
        for (let number = 0; number < some; number += 1) each(answers.score(logits, number, aimed), done + number);
        done += some;
        batch(done);
      }
    }

    async function scoreWithout(aimed, selected, fill, on) {
      let score = NaN;
      await scoresWithout(aimed, 1, () => selected, fill, on, (value) => { score = value; });
      return score;
    }

    async function target(seen, { class_id: classId, mask }, on) {
      checkLength("target", mask, seen);
      check(Number.isInteger(classId) && classes[classId] !== undefined,
        `The target is of class ${classId}; the model has 0 to ${classes.length - 1}.`);
      const inside = live.pixelsOf(mask);
      check(inside.length > 0, "The target has no pixel; choose one that has.");
      const aimed = { seen, class_id: classId, mask, inside, score: NaN, blind: new Map() };
      aimed.score = await scoreWithout(aimed, new Uint8Array(mask.length), "zeros", on);
      return aimed;
    }

    async function without(aimed, { selection, fill = "mean" }, on) {
      checkLength("selection", selection, aimed.seen);
      const score = await scoreWithout(aimed, selection, fill, on);
      const pixels = new Float32Array(aimed.seen.pixels.length);
      fillInto(pixels, 0, aimed.seen, selection, referenceOf(aimed.seen, fill));
      return { score, rgb: live.interleaved(pixels) };
    }

    /* The map of what each of `count` selections takes from the score; mapOf(drops) draws it. */
    async function intervened(aimed, count, selectionOf, fill, mapOf, on) {
      const drops = [];
      const each = (score) => drops.push(aimed.score - score);
      const batch = (done) => on.report(live.normalised(mapOf(drops)), done, count);
      await scoresWithout(aimed, count, selectionOf, fill, on, each, batch);
      return { map: live.normalised(mapOf(drops)), passes: count + 1 };
    }

    function ria(aimed, grid, fill, on) {
      const { height, width } = aimed.seen;
      const most = Math.min(height, width);
      check(Number.isInteger(grid) && grid >= 1 && grid <= most,
        `The grid is ${grid}; expected 1 to ${most} for a picture of ${height} x ${width} px.`);
      const numbers = live.cellsOf(height, width, grid);
      const cell = (number) => numbers.map((own) => Number(own === number));
      return intervened(aimed, grid * grid, cell, fill, (drops) => live.dropsAsMap(drops, numbers), on);
    }

    function adaptiveRia(aimed, budget, fill, on) {
      const { height, width } = aimed.seen;
      check(Number.isInteger(budget) && budget >= 2, `The budget is ${budget}; expected at least 2 passes.`);
      const layout = live.layoutOf(aimed.mask, height, width, budget - 1);
      const cell = (number) => live.layoutAsMap([1], [layout[number]], height, width).map(Math.sign);
      return intervened(aimed, layout.length, cell, fill, (drops) =>
        live.layoutAsMap(drops, layout, height, width), on);
    }

    async function explain(aimed, { method, grid = 14, budget = 49, fill = "mean" }, on) {
      if (method === "ria") return ria(aimed, grid, fill, on);
      check(method === "adaptive_ria", `The method is ${method}; expected ria or adaptive_ria.`);
      return adaptiveRia(aimed, budget, fill, on);
    }

    async function curve(aimed, { map, fill = "mean", levels = LEVELS }, on) {
      checkMap(map, aimed.seen);
      const ranking = live.ranked(map, aimed.mask);
      const selectionOf = (number) =>
        live.firstOf(ranking, Math.floor(levels[number] * ranking.length + 0.5), map.length);
      const scores = new Float32Array(levels.length).fill(NaN);
      const each = (score, number) => { scores[number] = score; };
      await scoresWithout(aimed, levels.length, selectionOf, fill, on, each, (done) =>
        on.report(scores.slice(), done, levels.length));
      return { levels: Float32Array.from(levels), scores };
    }

    const drop = (aimed, score) => (aimed.score - score) / (Math.abs(aimed.score) + EPS);

    async function tdd(aimed, { map, k = 0.2, fill = "mean" }, on) {
      checkMap(map, aimed.seen);
      checkShare(k);
      return drop(aimed, await scoreWithout(aimed, live.topFraction(map, aimed.mask, k), fill, on));
    }

    /* {lengths, values} of the blind selections of a target, scored as far as they are not yet. */
    async function blindDraws(aimed, { draws, k, fill }, on) {
      const key = JSON.stringify([draws, k, fill]);
      const { height, width } = aimed.seen;
      if (!aimed.blind.has(key)) aimed.blind.set(key, { lengths: [], values: [] });
      const scored = aimed.blind.get(key);
      const first = scored.values.length;  // a request that was superseded has left its own
      const selectionOf = live.blindSelections(aimed.mask, height, width, k, draws);
      const lengths = [];
      await scoresWithout(
        aimed,
        draws - first,
        (number) => {
          const selected = selectionOf(first + number);
          lengths[number] = live.borderLength(selected, height, width);
          return selected;
        },
        fill,
        on,
        (score, number) => {
          scored.values.push(drop(aimed, score));
          scored.lengths.push(lengths[number]);
        },
        (done) => on.report(first + done, draws),
      );
      return scored;
    }

    async function nullOf(aimed, { map, draws = live.DRAWS, k = 0.2, fill = "mean" }, on) {
      checkMap(map, aimed.seen);
      checkShare(k);
      checkFill(fill);
      check(Number.isInteger(draws) && draws >= 2, `The number of draws is ${draws}; expected 2 or more.`);
      const { height, width } = aimed.seen;
      const selected = live.topFraction(map, aimed.mask, k);
      const count = live.countOf(k, aimed.inside.length);
      const own = { value: await tdd(aimed, { map, k, fill }, on), length: live.borderLength(selected, height, width) };
      const { lengths, values } = await blindDraws(aimed, { draws, k, fill }, on);
      return {
        values: Float32Array.from(values),
        grain: Float32Array.from(lengths, (length) => length / count),
        own: { value: own.value, grain: own.length / count },
        ...live.heldAgainst(lengths, values, own.length, own.value),
      };
    }

    async function logits(seen) {
      return seen.logits;
    }

    return { look, logits, target, without, explain, curve, tdd, null: nullOf };
  };
})();
