/* A live model without a model, for tests of the panel and of the engine's own modules: all that answers is the book's
 * own, but what it asks is the brightness of a picture, on the page's own thread, within milliseconds.
 *
 * A page loads it after engine.js. Its first model says that a pixel is bright with a probability of its mean of RGB,
 * so that every score can be worked out by hand: that of a bright target is its mean brightness. The second is a
 * classifier that says so of the whole picture. */

(function fake() {
  "use strict";
  const live = ((globalThis.segattr ??= {}).live ??= {});
  const SIZE = 32;  // px of the long side of what it sees
  const about = {
    id: "fake", title: "Brightness", kind: "segmenter", megabytes: 0.1, size: SIZE, classes: ["background", "bright"],
    credit: "none",
  };
  const classifier = {
    ...about, id: "fake_classifier", title: "Brightness of all", kind: "classifier", classes: ["dark", "bright"],
  };

  /* The logit of a probability, finite where that is 0 or 1. */
  function logitOf(probability) {
    const inside = Math.min(1 - 1e-6, Math.max(1e-6, probability));
    return Math.log(inside / (1 - inside));
  }

  /* Logits (background 0, bright) of so many pictures, whose softmax is the brightness. */
  function brightness(images, count, height, width) {
    const pixels = height * width;
    const logits = new Float32Array(2 * count * pixels);
    for (let number = 0; number < count; number += 1) {
      for (let pixel = 0; pixel < pixels; pixel += 1) {
        const [red, green, blue] = [0, 1, 2].map((channel) => images[(3 * number + channel) * pixels + pixel]);
        logits[(2 * number + 1) * pixels + pixel] = logitOf((red + green + blue) / 3);
      }
    }
    return logits;
  }

  /* Logits (dark 0, bright) of so many pictures, whose softmax is the mean brightness. */
  function meanBrightness(images, count, height, width) {
    const length = 3 * height * width;
    const logits = new Float32Array(2 * count);
    for (let number = 0; number < count; number += 1) {
      const values = images.subarray(number * length, (number + 1) * length);
      logits[2 * number + 1] = logitOf(values.reduce((sum, value) => sum + value, 0) / length);
    }
    return logits;
  }

  live.models = [about, classifier];
  live.pictures = async () => [];
  live.fakeForward = brightness;
  live.fakeMean = meanBrightness;

  live.open = async function open(modelId, { progress = () => {} } = {}) {
    const chosen = live.models.find(({ id }) => id === modelId);
    if (!chosen) throw new Error(`There is no live model ${modelId}; choose ${about.id}.`);
    const forward = chosen === about ? (...given) => live.fakeForward(...given) : live.fakeMean;
    progress(0, "loading nothing");
    await live.modules();
    const { port1, port2 } = new MessageChannel();
    live.serve(port2, async () => live.explainerOf(forward, chosen));
    const { engine, ask } = live.connected(port1, chosen, () => port1.close());
    await ask("open", {});
    progress(1, "ready");
    return engine;
  };
})();
