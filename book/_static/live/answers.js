/* What a model's logits say of a picture: a segmenter's, which classes it holds and where; a classifier's, which
 * classes it may be of. A classifier says the same of every pixel, as segattr_lib.models.loading.spread has it: the
 * whole picture is the region of each class. */

(function answers() {
  "use strict";
  const live = ((globalThis.segattr ??= {}).live ??= {});
  (live.sources ??= {}).answers = answers;

  const SPECK = 1 / 1000;  // of the picture: a smaller part is no region to choose
  const BEST = 5;  // classes of a classifier that a reader may choose from
  const EPS = 1e-8;
  const HIGHEST = 80;  // keeps exp finite

  /* The probability of a class at a pixel, of logits (C, pixels) that begin at `start`. */
  function probability(logits, start, pixels, classes, classId, pixel) {
    const wanted = logits[start + classId * pixels + pixel];
    let sum = 0;
    for (let other = 0; other < classes; other += 1) {
      sum += Math.exp(Math.min(HIGHEST, logits[start + other * pixels + pixel] - wanted));
    }
    return 1 / sum;
  }

  /* How the logits of a model of this kind, "segmenter" or "classifier", are read; classes: their names. Gives
   * seen(logits, height, width), {labels, classes, regions, nearest} as engine.look has them, and
   * score(logits, number, aimed), s(x) of the target in one of a batch of logits. */
  live.answersOf = function answersOf(kind, classes) {
    const count = classes.length;
    return kind === "classifier" ? { seen: classified, score: ofWhole } : { seen: segmented, score: ofRegion };

    function classified(logits, height, width) {
      const higher = (left, right) => logits[right] - logits[left] || left - right;
      const ids = classes.map((_, classId) => classId).sort(higher);
      const best = ids.slice(0, BEST).map((classId) => ({
        class_id: classId, name: classes[classId], share: 1,
        probability: probability(logits, 0, 1, count, classId, 0), mask: new Uint8Array(height * width).fill(1),
      }));
      return { labels: new Uint8Array(height * width), classes: best, regions: best, nearest: null };
    }

    function ofWhole(logits, number, { class_id: classId }) {
      return probability(logits, number * count, 1, count, classId, 0);
    }

    function classAt(logits, pixels, pixel) {
      let best = 0;
      for (let classId = 1; classId < count; classId += 1) {
        if (logits[classId * pixels + pixel] > logits[best * pixels + pixel]) best = classId;
      }
      return best;
    }

    function described(classId, mask, logits) {
      const inside = live.pixelsOf(mask);
      const sum = inside.reduce((total, pixel) =>
        total + probability(logits, 0, mask.length, count, classId, pixel), 0);
      return {
        class_id: classId, name: classes[classId], share: inside.length / mask.length,
        probability: sum / inside.length, mask,
      };
    }

    function nearestOf(logits, pixels) {
      let nearest = null;
      for (let classId = 1; classId < count; classId += 1) {
        for (let pixel = 0; pixel < pixels; pixel += 1) {
          const value = probability(logits, 0, pixels, count, classId, pixel);
          if (!nearest || value > nearest.probability) {
            nearest = { class_id: classId, name: classes[classId], probability: value };
          }
        }
      }
      return nearest;
    }

    function segmented(logits, height, width) {
      const pixels = height * width;
      const labels = Uint8Array.from({ length: pixels }, (_, pixel) => classAt(logits, pixels, pixel));
      const { numbers: partOf, parts } = live.partsOf(labels, height, width);
      const maskOf = (values, value) => Uint8Array.from(values, (own) => Number(own === value));
      const present = [...new Set(labels)].filter((label) => label !== 0).sort((left, right) => left - right);
      const bySize = (left, right) => right.share - left.share;
      return {
        labels,
        classes: present.map((label) => described(label, maskOf(labels, label), logits)).sort(bySize),
        regions: parts
          .map((part, number) => ({ ...part, number }))
          .filter((part) => part.label !== 0 && part.size >= SPECK * pixels)
          .map((part) => described(part.label, maskOf(partOf, part.number), logits))
          .sort(bySize),
        nearest: present.length ? null : nearestOf(logits, pixels),
      };
    }

    function ofRegion(logits, number, { seen, class_id: classId, inside }) {
      const pixels = seen.height * seen.width;
      const start = number * count * pixels;
      let sum = 0;
      for (const pixel of inside) sum += probability(logits, start, pixels, count, classId, pixel);
      return sum / (inside.length + EPS);
    }
  };
})();
