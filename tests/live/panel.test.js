// The panel's pure functions under node's test runner: node --test tests/live
"use strict";
const assert = require("node:assert/strict");
const { test } = require("node:test");
const path = require("node:path");

for (const name of ["text", "colours", "maps", "chart", "stage"]) {
  require(path.join(__dirname, "..", "..", "book", "_static", "live", `panel-${name}.js`));
}
const panel = globalThis.segattr.panel;

test("a share is said as it rounds, and never as none or all where it is neither", () => {
  const said = [0, 0.004, 0.005, 0.32, 0.999, 1, -0.12, NaN].map(panel.percent);
  assert.deepEqual(said, ["0%", "under 1%", "1%", "32%", "over 99%", "100%", "-12%", "no value"]);
});

test("a number keeps its digits and loses a minus that rounding leaves on nought", () => {
  assert.equal(panel.decimal(0.1234), "0.12");
  assert.equal(panel.decimal(-0.1234, 3), "−0.123");
  assert.equal(panel.decimal(-0.001), "0.00");
  assert.equal(panel.decimal(NaN), "–");
  assert.equal(panel.pValue(0.004), "p < 0.01");
  assert.equal(panel.pValue(0.0345), "p = 0.03");
});

test("what a deletion costs is a loss, nothing, or a rise", () => {
  assert.equal(panel.costs(0.316, "its score"), "costs 32% of its score");
  assert.equal(panel.costs(0.004), "costs none of the score");
  assert.equal(panel.costs(-0.2), "raises the score by 20%");
  assert.ok(Math.abs(panel.drop(0.8, 0.6) - 0.25) < 1e-5);
});

test("a map is said to be more than chance where p and excess both say so", () => {
  const about = { name: "cat", label: "RIA", k: 0.2, tdd: 0.32, expected: 0.1, p: 0.023 };
  assert.equal(
    panel.judgedSentence(about),
    "Deleting the top fifth of the cat by RIA costs 32% of its score (10% by chance, p = 0.02): " +
      "more than a blind selection as large and as ragged.",
  );
  for (const changed of [{ p: 0.3 }, { tdd: 0.05 }, { p: NaN }]) {
    assert.match(panel.judgedSentence({ ...about, ...changed }), /no more than a blind selection/);
  }
});

test("a sentence about two fills says whether they differ", () => {
  const about = { label: "RIA", k: 0.2, name: "cat", first: "a blur", second: "black" };
  assert.match(panel.fillsSentence({ ...about, drops: [0.3, 0.31] }), /hardly matters/);
  assert.match(panel.fillsSentence({ ...about, drops: [0.1, 0.4] }), /difference of 30% of the score/);
});

test("Holm's adjustment is that of the hand-solved case, what is no number left as it is", () => {
  const adjusted = panel.holm([0.04, 0.01, NaN, 0.03]);
  [0.06, 0.03, NaN, 0.06].forEach((value, place) => {
    if (Number.isNaN(value)) assert.ok(Number.isNaN(adjusted[place]));
    else assert.ok(Math.abs(adjusted[place] - value) < 1e-12);
  });
  assert.deepEqual(panel.holm([0.9, 0.8]), [1, 1]);
});

test("what is seen is said with shares, and where nothing is seen, what came nearest", () => {
  const seen = [{ name: "cat", share: 0.4, probability: 0.913 }, { name: "sofa", share: 0.1, probability: 0.7 }];
  assert.equal(
    panel.seenSentence(seen, null),
    "The model sees cat (40% of the picture, mean probability 0.91) and sofa (10% of the picture, mean probability 0.70).",
  );
  assert.match(panel.seenSentence([], { name: "dog", probability: 0.31 }), /nearest came "dog", of probability 0.31/);
});

test("a region is held against the truth where that is known and of the same size", () => {
  const truth = { width: 2, height: 2, data: Uint8ClampedArray.from([3, 0, 0, 255].flatMap((red) => [red, 0, 0, 255])) };
  const target = { class_id: 3, name: "disc", mask: Uint8Array.from([1, 1, 0, 0]) };
  assert.equal(
    panel.truthSentence(target, truth),
    " The truth of this scene is known: the target holds 100% of the true disc; 50% of it lies elsewhere.",
  );
  assert.match(panel.truthSentence({ ...target, class_id: 4 }, truth), /no disc is in it/);
  assert.equal(panel.truthSentence(target, null), "");
  assert.equal(panel.truthSentence(target, { ...truth, width: 3 }), "");
});

test("what went wrong is a sentence, whatever was thrown", () => {
  assert.equal(panel.errorSentence(new Error("The model has stopped.")), "The model has stopped.");
  assert.equal(panel.errorSentence("no room\nstack"), "no room.");
  assert.match(panel.errorSentence(null), /reload the page/);
});

test("cells begin at floor(i * size / grid), and every pixel lies in the cell whose edges hold it", () => {
  assert.deepEqual(panel.edges(10, 4), [0, 2, 5, 7, 10]);
  const owners = Array.from({ length: 10 }, (_, pixel) => panel.cellOf(pixel, 10, 4));
  assert.deepEqual(owners, [0, 0, 1, 1, 1, 2, 2, 3, 3, 3]);
  assert.equal(panel.cellOf(-3, 10, 4), 0);
  assert.equal(panel.cellOf(99, 10, 4), 3);
  assert.throws(() => panel.edges(3, 4), /grid is 4; expected 1 to 3/);
});

test("a filled cell holds its pixels alone, and its centre lies in it", () => {
  const shape = { height: 5, width: 7, grid: 3 };
  const together = new Uint8Array(35);
  for (let row = 0; row < 3; row += 1) {
    for (let column = 0; column < 3; column += 1) {
      const cell = new Uint8Array(35);
      panel.fillCell(cell, { ...shape, row, column }, 1);
      const [x, y] = panel.cellCentre({ ...shape, row, column });
      assert.equal(cell[Math.floor(y) * 7 + Math.floor(x)], 1);
      cell.forEach((value, place) => { together[place] += value; });
    }
  }
  assert.ok(together.every((value) => value === 1));
});

test("a stroke of the brush has no gaps and stays in the picture", () => {
  const drawn = new Set();
  panel.alongStroke({ height: 20, width: 30, from: [2, 3], to: [27, 16], radius: 0.75 }, (place) => drawn.add(place));
  for (let step = 0; step <= 100; step += 1) {
    const [x, y] = [2 + 0.25 * step, 3 + 0.13 * step].map(Math.floor);
    assert.ok(drawn.has(y * 30 + x), `${x}, ${y}`);
  }
  assert.ok([...drawn].every((place) => place >= 0 && place < 600));
});

test("the top of a map is the exact number of pixels, ties in row-major order", () => {
  const mask = Uint8Array.from([1, 1, 0, 1, 1, 1, 1]);
  const map = Float32Array.from([0.2, 0.9, 1, 0.5, 0.5, 0.5, 0.1]);
  assert.deepEqual([...panel.topFraction(map, mask, 0.5)], [0, 1, 0, 1, 1, 0, 0]); // floor(3 + .5) of 6
  assert.deepEqual([...panel.topFraction(map, mask, 0.01)], [0, 1, 0, 0, 0, 0, 0]); // at least one
  assert.deepEqual([...panel.topFraction(map, mask, 1)], [...mask]);
  assert.equal(panel.count(panel.topFraction(map, mask, 0)), 0);
  assert.equal(panel.count(panel.topFraction(map, new Uint8Array(7), 0.5)), 0);
});

test("what is gone is counted inside and outside of the target", () => {
  const shares = panel.sharesOf(Uint8Array.from([1, 0, 1, 0, 0]), Uint8Array.from([1, 1, 0, 0, 0]));
  assert.deepEqual(shares, { inTarget: 0.5, elsewhere: 1 / 3 });
});

test("a drawn map ranks the middle of a stroke before its rim, and a second stroke before the first", () => {
  const [height, width] = [40, 60];
  const strokes = new Float32Array(height * width);
  const draw = (from, to) => {
    const once = new Set();
    panel.alongStroke({ height, width, from, to, radius: 5 }, (place) => once.add(place));
    for (const place of once) strokes[place] += 1;
  };
  draw([10, 20], [50, 20]);
  const map = panel.drawnMap(strokes, height, width);
  assert.ok(map[20 * width + 30] > map[25 * width + 30] && map[25 * width + 30] > 0);
  assert.equal(Math.max(...map), 1);
  draw([20, 20], [25, 20]);
  const twice = panel.drawnMap(strokes, height, width);
  assert.ok(twice[20 * width + 22] > twice[20 * width + 45]);
  assert.equal(Math.max(...panel.drawnMap(new Float32Array(2400), height, width)), 0);
});

test("a class in parts is offered whole, then part by part", () => {
  const whole = { class_id: 1, name: "cat", mask: Uint8Array.from([1, 0, 1]) };
  const parts = [[1, 0, 0], [0, 0, 1]].map((mask) => ({ class_id: 1, name: "cat", mask: Uint8Array.from(mask) }));
  const sofa = { class_id: 2, name: "sofa", mask: Uint8Array.from([0, 1, 0]) };
  const labels = panel.targetsOf({ classes: [whole, sofa], regions: [...parts, sofa] }).map(({ label }) => label);
  assert.deepEqual(labels, ["cat, all 2 parts", "cat, part 1", "cat, part 2", "sofa"]);
});

test("an outline runs along every edge between the mask and what is not of it", () => {
  assert.equal(panel.outlineOf(Uint8Array.from([0, 0, 0, 0, 1, 0, 0, 0, 0]), 3, 3).length, 4);
  assert.equal(panel.outlineOf(new Uint8Array(4).fill(1), 2, 2).length, 8);
  assert.equal(panel.outlineOf(new Uint8Array(4), 2, 2).length, 0);
});

test("an overlay is 65% magma over grey, and the picture itself where nothing is known", () => {
  const rgb = Uint8Array.from([30, 60, 90, 10, 20, 30, 0, 0, 0]);
  const drawn = panel.overlay(rgb, Float32Array.from([1, NaN, 0]));
  const brightest = [...panel.MAGMA.slice(765)];
  assert.deepEqual([...drawn.slice(0, 3)], brightest.map((value) => Math.round(0.65 * value + 0.35 * 60)));
  assert.deepEqual([...drawn.slice(4, 8)], [10, 20, 30, 255]);
  assert.deepEqual([...drawn.slice(8, 11)], [...panel.MAGMA.slice(0, 3)].map((value) => Math.round(0.65 * value)));
});

test("names are moved apart as far as needed and no farther", () => {
  assert.deepEqual(panel.spread([10, 50], 15, 0, 100), [10, 50]);
  const placed = panel.spread([98, 97, 99], 15, 0, 100);
  assert.deepEqual(placed, [85, 70, 100]);
  assert.deepEqual(panel.spread([2, 1], 15, 0, 100), [16, 1]);
});

test("curves are named where they lie farthest apart, and never where all is deleted", () => {
  const levels = [0, 0.2, 0.5, 1];
  assert.equal(panel.clearest(levels, [[1, 0.9, 0.4, 0], [1, 0.8, 0.7, 0]]), 2);
});

test("a chart names its axes and each of its series, and says its title", () => {
  const curve = (key, label, shape, scores) => ({ key, label, shape, levels: [0, 0.5, 1], scores });
  const svg = panel.curveChart({
    width: 400,
    series: [curve("ria", "RIA", "circle", [0.9, 0.3, 0.1]), curve("random", "random <pixels>", "cross", [0.9, 0.8, 0.1])],
    mark: { level: 0.2 },
    chance: { level: 0.2, score: 0.7 },
    title: "Score over share",
  });
  for (const text of [">share of the target deleted<", ">score left<", ">RIA<", ">random &lt;pixels&gt;<", ">by chance<"]) {
    assert.ok(svg.includes(text), text);
  }
  assert.ok(svg.includes('aria-label="Score over share"'));
  assert.ok(!/NaN|undefined|Infinity/.test(svg));
});

test("a chart of blind deletions has a dot for each, and maps among them", () => {
  const svg = panel.nullChart({
    width: 320,
    values: [0.1, -0.05, 0.2],
    grain: [0.1, 0.5, 2],
    marks: [{ key: "ria", label: "RIA", shape: "circle", grain: 0.4, value: 0.5 }],
    title: "Loss over raggedness",
  });
  assert.equal(svg.match(/r="2.5"/g).length, 3);
  assert.ok(svg.includes(">RIA<") && svg.includes("px of border a deleted pixel"));
  assert.ok(!/NaN|undefined|Infinity/.test(svg));
});

test("the cell cursor stays in the grid", () => {
  const start = { row: 0, column: 1, grid: 5 };
  assert.deepEqual(panel.moved(start, "ArrowUp"), start);
  assert.deepEqual(panel.moved(start, "ArrowRight"), { row: 0, column: 2, grid: 5 });
  assert.deepEqual(panel.moved(start, "ArrowDown", true), { row: 3, column: 1, grid: 5 });
  assert.deepEqual(panel.moved(start, "End", true), { row: 4, column: 4, grid: 5 });
  assert.equal(panel.moved(start, "a"), null);
});
