// The picture that is pointed at: what is painted on its canvas, and what pointer and keys do there.
"use strict";
{
  const OUTLINE = "rgb(77, 255, 255)"; // a hue that magma has not, as in segattr_lib.report.panels
  const { edges, cellOf, cellCentre } = globalThis.segattr.panel;

  /** Paint a picture of four bytes a pixel on a canvas at twice its size, so that lines over it are fine. */
  function paint(canvas, { height, width, rgba, outline = [], cursor = null }) {
    const fine = 2;
    canvas.width = width * fine;
    canvas.height = height * fine;
    const below = document.createElement("canvas");
    below.width = width;
    below.height = height;
    below.getContext("2d").putImageData(new ImageData(rgba, width, height), 0, 0);
    const context = canvas.getContext("2d");
    context.drawImage(below, 0, 0, canvas.width, canvas.height);
    context.scale(fine, fine);
    for (const [colour, thick] of [["rgb(0 0 0 / 75%)", 2.5], [OUTLINE, 1.25]]) {
      context.strokeStyle = colour;
      context.lineWidth = thick;
      context.beginPath();
      for (const [left, top, right, bottom] of outline) {
        context.moveTo(left, top);
        context.lineTo(right, bottom);
      }
      context.stroke();
    }
    if (cursor) {
      const rows = edges(height, cursor.grid);
      const columns = edges(width, cursor.grid);
      const [left, top] = [columns[cursor.column], rows[cursor.row]];
      const [right, bottom] = [columns[cursor.column + 1], rows[cursor.row + 1]];
      for (const [colour, thick] of [["black", 4], ["white", 1.75]]) {
        context.strokeStyle = colour;
        context.lineWidth = thick;
        context.strokeRect(left, top, right - left, bottom - top);
      }
    }
  }

  const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

  /** Where a cell cursor comes to by a key, inside the grid; null where the key moves nothing. */
  function moved({ row, column, grid }, key, far = false) {
    const last = grid - 1;
    const inside = (place) => Math.min(Math.max(place, 0), last);
    if (key === "Home") return { row: far ? 0 : row, column: 0, grid };
    if (key === "End") return { row: far ? last : row, column: last, grid };
    if (!MOVES[key]) return null;
    const [down, right] = MOVES[key].map((step) => step * (far ? 3 : 1));
    return { row: inside(row + down), column: inside(column + right), grid };
  }

  /** The cell that the keys stand on; at first, and in another grid, the one in the middle. */
  function cursorOf(canvas, grid) {
    const middle = Math.floor(grid / 2);
    return canvas.cursor?.grid === grid ? canvas.cursor : { row: middle, column: middle, grid };
  }

  /**
   * Let a canvas be pointed at by pointer and keyboard.
   *
   * shape() gives {height, width, grid} of what is shown, or null where nothing is. The canvas' `cursor` is the cell
   * the keys stand on. Called: began(point), drawn(from, to), ended() for a pointer, point being [x, y] in its px;
   * pressed(cell, centre) for Enter or Space on a cell; stepped(cell, centre) when the keys go to another cell.
   */
  function pointing(canvas, { shape, began, drawn, ended, pressed, stepped }) {
    let last = null;

    function pointOf(event) {
      const box = canvas.getBoundingClientRect();
      const { height, width } = shape();
      const x = ((event.clientX - box.left) / box.width) * width;
      const y = ((event.clientY - box.top) / box.height) * height;
      return [Math.min(Math.max(x, 0), width - 1), Math.min(Math.max(y, 0), height - 1)];
    }

    canvas.addEventListener("pointerdown", (event) => {
      if (!shape() || event.button) return;
      canvas.setPointerCapture(event.pointerId);
      last = pointOf(event);
      const { height, width, grid } = shape();
      const [column, row] = last.map(Math.floor);
      canvas.cursor = { grid, row: cellOf(row, height, grid), column: cellOf(column, width, grid) };
      began(last);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!last || !shape()) return;
      const next = pointOf(event);
      drawn(last, next);
      last = next;
    });
    for (const kind of ["pointerup", "pointercancel", "lostpointercapture"]) {
      canvas.addEventListener(kind, () => {
        if (!last) return;
        last = null;
        ended();
      });
    }
    canvas.addEventListener("keydown", (event) => {
      if (!shape() || event.altKey || event.metaKey) return;
      const { height, width, grid } = shape();
      const cursor = cursorOf(canvas, grid);
      if (event.key === "Enter" || event.key === " ") {
        canvas.cursor = cursor;
        pressed(cursor, cellCentre({ height, width, ...cursor }));
      } else {
        const next = moved(cursor, event.key, event.ctrlKey || event.shiftKey);
        if (!next) return;
        canvas.cursor = next;
        stepped(next, cellCentre({ height, width, ...next }));
      }
      event.preventDefault();
    });
  }

  globalThis.segattr.panel = Object.assign(globalThis.segattr.panel, { paint, moved, cursorOf, pointing });
}
