// What the live model answers, on a model whose scores are worked out by hand: node --test tests/live
"use strict";
const assert = require("node:assert/strict");
const { test } = require("node:test");
const path = require("node:path");

const folder = path.join(__dirname, "..", "..", "book", "_static", "live");
for (const name of ["resize", "regions", "fills", "selection", "cells", "adaptive", "chance", "answers",
  "explainer", "session", "worker", "engine"]) {
  require(path.join(folder, `${name}.js`));
}
require(path.join(__dirname, "fake_engine.js"));
const { live } = globalThis.segattr;

/* A picture of 32 x 32 px, grey 51 (.2), with a bright block (.8) in rows 8 to 15 and columns 16 to 31. */
function picture() {
  const data = new Uint8ClampedArray(4 * 32 * 32).fill(255);
  for (let pixel = 0; pixel < 32 * 32; pixel += 1) {
    const bright = pixel >= 8 * 32 && pixel < 16 * 32 && pixel % 32 >= 16;
    data.fill(bright ? 204 : 51, 4 * pixel, 4 * pixel + 3);
  }
  return { width: 32, height: 32, data };
}

/* An engine that is closed when its test ends, however it ends: an open one keeps node waiting. */
async function opened(t) {
  const engine = await live.open("fake");
  t.after(() => engine.close());
  return engine;
}

async function aimed(t) {
  const engine = await opened(t);
  const seen = await engine.look(picture());
  const { score } = await engine.target(seen.classes[0]);
  return { engine, seen, score };
}

const near = (value, expected) => assert.ok(Math.abs(value - expected) <= 1e-5, `${value}; expected ${expected}`);
const rejected = (promise) => promise.then(() => assert.fail("was answered"), (error) => error);

test("a picture is seen as it is, and its regions are its connected parts, the largest first", async (t) => {
  const engine = await opened(t);
  const grey = picture();
  for (const pixel of [0, 1, 2, 33]) grey.data.fill(255, 4 * pixel, 4 * pixel + 3);  // a part of four, over a corner
  const seen = await engine.look(grey);
  assert.deepEqual([seen.height, seen.width, seen.nearest], [32, 32, null]);
  assert.deepEqual(seen.classes.map(({ name, share }) => [name, share]), [["bright", 132 / 1024]]);
  assert.deepEqual(seen.regions.map(({ share }) => share), [128 / 1024, 4 / 1024]);
  near(seen.regions[0].probability, 0.8);
  near(seen.classes[0].probability, (128 * 0.8 + 4) / 132);
});

test("a part smaller than a thousandth of the picture is no region, though of its class", async (t) => {
  const engine = await opened(t);
  const grey = picture();
  grey.data.fill(255, 0, 3);
  const seen = await engine.look(grey);
  assert.equal(seen.regions.length, 1);
  assert.equal(seen.classes[0].share, 129 / 1024);
});

test("where nothing is seen the class that came nearest is named", async (t) => {
  const engine = await opened(t);
  const data = new Uint8ClampedArray(3200).map((_, place) => (place % 4 === 3 ? 255 : 102));
  const seen = await engine.look({ width: 40, height: 20, data });
  assert.deepEqual([seen.height, seen.width, seen.classes, seen.regions], [16, 32, [], []]);
  assert.deepEqual([seen.nearest.class_id, seen.nearest.name], [1, "bright"]);
  near(seen.nearest.probability, 0.4);
});

test("the score is the mean probability over the target, with and without a selection", async (t) => {
  const { engine, seen, score } = await aimed(t);
  near(score, 0.8);
  const half = Uint8Array.from({ length: 1024 }, (_, pixel) => Number(pixel % 32 >= 24));
  const mean = (128 * 204 + 896 * 51) / 1024 / 255;
  for (const [fill, value] of [["mean", mean], ["zeros", 0]]) {
    const without = await engine.without(half, fill);
    near(without.score, (0.8 + value) / 2);
    assert.deepEqual([...without.rgb.slice(3 * 316, 3 * 316 + 3)], Array(3).fill(Math.round(255 * value)));
    assert.equal(without.rgb[3 * 272], seen.rgb[3 * 272]);
  }
});

test("RIA gives each cell what the score loses with it, and fills in", async (t) => {
  const { engine } = await aimed(t);
  const known = [];
  const { map, passes } = await engine.explain({ method: "ria", grid: 4, fill: "zeros",
    progress: (partial, done, total) => known.push([partial.filter(Number.isNaN).length, done, total]) });
  assert.equal(passes, 17);
  assert.deepEqual(known, [[512, 8, 16], [0, 16, 16]]);
  // the bright block is the third and fourth cell of the second row, and each half of it loses half of the score
  map.forEach((value, pixel) => near(value, pixel >= 8 * 32 && pixel < 16 * 32 && pixel % 32 >= 16 ? 1 : 0));
});

test("a cell whose loss would be a gain counts as nothing", async (t) => {
  const { engine, seen } = await aimed(t);
  const half = Uint8Array.from(seen.labels, (_, pixel) => Number(pixel < 512));  // dark above the block, which is whole
  await engine.target({ class_id: 1, mask: half });
  const { map } = await engine.explain({ method: "ria", grid: 4, fill: "mean" });
  map.forEach((value, pixel) => near(value, pixel >= 8 * 32 && pixel < 16 * 32 && pixel % 32 >= 16 ? 1 : 0));
});

test("adaptive RIA spends its budget on disjoint cells, finer on the target, each by its loss per pixel", async (t) => {
  const { engine, seen } = await aimed(t);
  const { map, passes } = await engine.explain({ method: "adaptive_ria", budget: 9, fill: "zeros" });
  assert.equal(passes, 9);
  const layout = live.layoutOf(seen.classes[0].mask, 32, 32, 8);
  const area = layout.reduce((sum, cell) => sum + (cell.bottom - cell.top) * (cell.right - cell.left), 0);
  assert.equal(area, 1024);
  const highest = Math.max(...layout.map((cell) => lossOf(cell)));
  for (const cell of layout) near(map[cell.top * 32 + cell.left], lossOf(cell) / highest);

  function lossOf({ top, bottom, left, right }) {
    const down = Math.max(0, Math.min(bottom, 16) - Math.max(top, 8));
    const across = Math.max(0, Math.min(right, 32) - Math.max(left, 16));
    return down * across / ((bottom - top) * (right - left));
  }
});

test("a deletion curve falls with what is deleted, whatever the map of a flat target", async (t) => {
  const { engine } = await aimed(t);
  const map = live.noise(1024, 3);
  const partial = [];
  const { levels, scores } = await engine.curve({ map, fill: "zeros", progress: (values) => partial.push(values) });
  levels.forEach((level, place) => near(scores[place], 0.8 * (1 - Math.round(128 * level) / 128)));
  assert.deepEqual([levels.length, partial.length, partial[0].filter(Number.isNaN).length], [11, 2, 3]);
  near(await engine.tdd({ map, k: 0.5, fill: "zeros" }), 0.5);
});

test("on a flat target no map is more than chance, and what is drawn once serves every map", async (t) => {
  const { engine } = await aimed(t);
  const asked = [];
  const about = { fill: "zeros", draws: 20, progress: (done, total) => asked.push([done, total]) };
  const first = await engine.null({ map: live.noise(1024, 4), ...about });
  assert.deepEqual(asked, [[8, 20], [16, 20], [20, 20]]);
  first.values.forEach((value) => near(value, 26 / 128));  // a fifth of 128 px
  near(first.own.value, 26 / 128);
  near(first.excess, 0);
  const second = await engine.null({ map: Float32Array.from({ length: 1024 }, (_, pixel) => pixel), ...about });
  assert.equal(asked.length, 3);
  assert.deepEqual(second.values, first.values);
  assert.ok(second.own.grain < first.own.grain);
});

test("a newer request supersedes: the older stops at its next batch", async (t) => {
  const { engine } = await aimed(t);
  const { fakeForward } = live;
  let passes = 0;
  live.fakeForward = (images, count, ...shape) => {
    passes += count;
    return fakeForward(images, count, ...shape);
  };
  t.after(() => { live.fakeForward = fakeForward; });
  const older = rejected(engine.explain({ method: "ria", grid: 16 }));
  await new Promise((go) => setTimeout(go, 10));
  const newer = engine.explain({ method: "ria", grid: 4 });
  assert.equal((await older).name, "Superseded");
  assert.equal((await newer).passes, 17);
  assert.ok(passes < 256, `${passes} passes of 256 and 16`);
  const dropped = rejected(engine.curve({ map: live.noise(1024, 1) }));
  engine.cancel();
  assert.equal((await dropped).name, "Superseded");
});

test("answers and progress of what was superseded are not heard", async () => {
  const sent = [];
  const port = { postMessage: (message) => sent.push(message) };
  const { engine } = live.connected(port, {}, () => {});
  const heard = [];
  const older = rejected(engine.explain({ method: "ria", progress: (...values) => heard.push(values) }));
  const newer = engine.explain({ method: "ria", progress: (...values) => heard.push(values) });
  for (const [id, value] of [[1, "older"], [2, "newer"]]) {
    port.onmessage({ data: { id, kind: "progress", values: [value] } });
    port.onmessage({ data: { id, kind: "answer", value } });
  }
  assert.equal((await older).name, "Superseded");
  assert.equal(await newer, "newer");
  assert.deepEqual(heard, [["newer"]]);
});

test("what was seen for a request that was superseded is not what the next is about", async () => {
  const answers = [];
  const port = { postMessage: (message) => answers.push(message) };
  live.serve(port, async () => live.explainerOf(live.fakeForward, live.models[0]));
  const ask = async (message) => {
    port.onmessage({ data: message });
    while (answers.at(-1)?.id !== message.id) await new Promise((go) => setTimeout(go, 1));
    return answers.at(-1);
  };
  await ask({ id: 1, kind: "open" });
  const { value: seen } = await ask({ id: 2, kind: "look", request: picture() });
  const white = { width: 8, height: 8, data: new Uint8ClampedArray(256).fill(255) };
  await ask({ id: 3, kind: "look", request: white, look: 2 });  // its answer crosses a cancel and is not heard
  const { value } = await ask({ id: 4, kind: "target", request: seen.classes[0], look: 2 });
  near(value.score, 0.8);
  const unheard = await ask({ id: 5, kind: "target", request: seen.classes[0], look: 9 });
  assert.equal(unheard.message, "There is no picture yet; choose one.");
});

test("what cannot be done is one sentence", async (t) => {
  const engine = await opened(t);
  const message = async (promise) => (await rejected(promise)).message;
  const map = live.noise(1024, 5);
  assert.equal(await message(engine.target({ class_id: 1, mask: new Uint8Array(4) })),
    "There is no picture yet; choose one.");
  const { classes } = await engine.look(picture());
  assert.equal(await message(engine.tdd({ map })), "There is no target yet; choose one.");
  assert.equal(await message(engine.target({ class_id: 1, mask: new Uint8Array(1024) })),
    "The target has no pixel; choose one that has.");
  await engine.target(classes[0]);
  assert.equal(await message(engine.tdd({ map, fill: "pink" })), "The fill is pink; expected mean, blur, zeros.");
  assert.equal(await message(engine.explain({ method: "gpa" })), "The method is gpa; expected ria or adaptive_ria.");
  assert.equal(await message(engine.explain({ method: "ria", grid: 33 })),
    "The grid is 33; expected 1 to 32 for a picture of 32 x 32 px.");
  assert.equal(await message(engine.tdd({ map: map.fill(NaN, 0, 1) })),
    "The map has values that are no numbers; a map must be complete.");
  assert.match(await message(live.open("another")), /^There is no live model another; choose fake\.$/);
  const { fakeForward } = live;
  t.after(() => { live.fakeForward = fakeForward; });
  live.fakeForward = () => { throw new Error("out of memory"); };
  assert.match(await message(engine.look(picture())), /^The live model failed \(out of memory\); /);
  engine.close();
  assert.equal(await message(engine.look(picture())), "The live model was closed; start it again.");
});

test("a classifier's target is the whole picture, its score the probability of the class", async (t) => {
  const engine = await live.open("fake_classifier");
  t.after(() => engine.close());
  const seen = await engine.look(picture());
  const mean = (128 * 0.8 + 896 * 0.2) / 1024;
  assert.deepEqual(seen.classes.map(({ name }) => name), ["dark", "bright"]);  // the most probable first
  near(seen.classes[1].probability, mean);
  assert.ok(seen.classes.every(({ share, mask }) => share === 1 && mask.every((value) => value === 1)));
  assert.deepEqual([seen.regions.length, seen.nearest, [...await engine.logits()].length], [2, null, 2]);
  near((await engine.target(seen.classes[1])).score, mean);
  const top = Uint8Array.from(seen.labels, (_, pixel) => Number(pixel < 512));  // half of all, with the bright block
  near((await engine.without(top, "zeros")).score, 0.1);
  const { map } = await engine.explain({ method: "ria", grid: 4, fill: "zeros" });
  map.forEach((value, pixel) => near(value, pixel >= 8 * 32 && pixel < 16 * 32 && pixel % 32 >= 16 ? 1 : 0));
  near(await engine.tdd({ map, k: 0.125, fill: "zeros" }), (128 * 0.8) / 1024 / mean);
});
