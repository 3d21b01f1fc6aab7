/* A live model without a model, for tests of the panel and of the engine's own modules: all that answers is the book's
 * own, but what it asks is the brightness of a picture, on the page's own thread, within milliseconds.
 *
 * A page loads it after engine.js. Its one model says that a pixel is bright with a probability of its mean of RGB, so
 * that every score can be worked out by hand: that of a bright target is its mean brightness. */

(function fake() {
  "use strict";
  const live = ((globalThis.segattr ??= {}).live ??= {});
  const SIZE = 32;  // px of the long side of what it sees
  const about = {
    id: "fake", title: "Brightness", megabytes: 0.1, size: SIZE, classes: ["background", "bright"], credit: "none",
  };

  /* Logits (background 0, bright) of so many pictures, whose softmax is the brightness. */
  function brightness(images, count, height, width) {
    const pixels = height * width;
    const logits = new Float32Array(2 * count * pixels);
    for (let number = 0; number < count; number += 1) {
      for (let pixel = 0; pixel < pixels; pixel += 1) {
        const [red, green, blue] = [0, 1, 2].map((channel) => images[(3 * number + channel) * pixels + pixel]);
        const mean = Math.min(1 - 1e-6, Math.max(1e-6, (red + green + blue) / 3));
        logits[(2 * number + 1) * pixels + pixel] = Math.log(mean / (1 - mean));
      }
    }
    return logits;
  }

  live.models = [about];
  live.pictures = async () => [];
  live.fakeForward = brightness;

  live.open = async function open(modelId, { progress = () => {} } = {}) {
    if (modelId !== about.id) throw new Error(`There is no live model ${modelId}; choose ${about.id}.`);
    progress(0, "loading nothing");
    await live.modules();
    const { port1, port2 } = new MessageChannel();
    live.serve(port2, async () => live.explainerOf((...given) => live.fakeForward(...given), about));
    const { engine, ask } = live.connected(port1, about, () => port1.close());
    await ask("open", {});
    progress(1, "ready");
    return engine;
  };
})();
