/* The parts of a label map that hang together, over edges and corners. */

(function regions() {
  "use strict";
  const live = ((globalThis.segattr ??= {}).live ??= {});
  (live.sources ??= {}).regions = regions;

  /* Gives `number` to every pixel of the part that holds `start`; the size of the part in px. */
  function spread(numbers, labels, height, width, start, number) {
    const reached = [start];
    let size = 0;
    numbers[start] = number;
    while (reached.length) {
      const pixel = reached.pop();
      const [row, column] = [Math.floor(pixel / width), pixel % width];
      size += 1;
      for (let down = Math.max(0, row - 1); down <= Math.min(height - 1, row + 1); down += 1) {
        for (let across = Math.max(0, column - 1); across <= Math.min(width - 1, column + 1); across += 1) {
          const near = down * width + across;
          if (numbers[near] < 0 && labels[near] === labels[start]) {
            numbers[near] = number;
            reached.push(near);
          }
        }
      }
    }
    return size;
  }

  /* {numbers, parts}: the number of the part that each pixel belongs to, Int32Array of H*W, and by number each part's
   * {label, size}, size in px. */
  live.partsOf = function partsOf(labels, height, width) {
    const numbers = new Int32Array(labels.length).fill(-1);
    const parts = [];
    labels.forEach((label, pixel) => {
      if (numbers[pixel] >= 0) return;
      parts.push({ label, size: spread(numbers, labels, height, width, pixel, parts.length) });
    });
    return { numbers, parts };
  };

  /* The mask of the part that holds a pixel, Uint8Array of H*W. */
  live.partAt = function partAt(labels, height, width, row, column) {
    const numbers = new Int32Array(labels.length).fill(-1);
    spread(numbers, labels, height, width, row * width + column, 0);
    return Uint8Array.from(numbers, (number) => Number(number === 0));
  };
})();
