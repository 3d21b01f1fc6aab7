// Pointing at the picture: an object is chosen, cells are taken away and put back, a map is drawn.
"use strict";
{
  const { panel } = globalThis.segattr;

  /** Let the picture be pointed at, by pointer and keyboard. */
  function heedPointing(page) {
    const { state, parts } = page;
    panel.pointing(parts.stage, {
      shape: () => (state.seen && !state.job ? { ...state.seen, grid: state.grid } : null),
      began(point) {
        if (state.mode === "target") panel.choose(page, objectAt(state, point));
        if (state.mode === "take") {
          state.putting = state.taken[placeOf(state, point)] ? 0 : 1;
          take(page, point, point);
        }
        if (state.mode === "draw") {
          state.stroke = new Uint8Array(state.taken.length);
          brush(page, point, point);
        }
      },
      drawn(from, to) {
        if (state.mode === "take") take(page, from, to);
        if (state.mode === "draw" && state.stroke) brush(page, from, to);
      },
      ended() {
        state.stroke = null;
        if (state.mode === "draw") drawingChanged(page);
      },
      pressed(cell, centre) {
        if (state.mode === "target") return panel.choose(page, objectAt(state, centre));
        if (state.mode === "take") {
          const gone = state.taken[placeOf(state, centre)];
          panel.fillCell(state.taken, { ...state.seen, ...cell }, gone ? 0 : 1);
          takingChanged(page);
        }
        if (state.mode === "draw") {
          state.stroke = new Uint8Array(state.taken.length);
          brush(page, centre, centre);
          state.stroke = null;
          drawingChanged(page);
        }
        return sayCell(page, cell, centre);
      },
      stepped(cell, centre) {
        panel.showStage(page);
        sayCell(page, cell, centre);
      },
    });
    parts.stage.addEventListener("focus", () => panel.showStage(page));
    parts.stage.addEventListener("blur", () => panel.showStage(page));
  }

  function placeOf({ seen }, [x, y]) {
    return Math.floor(y) * seen.width + Math.floor(x);
  }

  /** The target that a point chooses; none of a classifier's, which all of the picture is. */
  function objectAt(state, point) {
    if (panel.isWhole(state)) return null;
    const place = placeOf(state, point);
    const objects = state.offered.filter((target) => target.mask[place]);
    return objects[objects.length - 1] ?? null; // the part before the whole class
  }

  function sayCell({ state, parts }, cell, centre) {
    const object = objectAt(state, centre);
    const gone = state.taken[placeOf(state, centre)] ? ", taken away" : "";
    const under = panel.isWhole(state) ? "" : `: ${object ? object.label : "background"}`;
    parts.cellText.textContent = `Row ${cell.row + 1}, column ${cell.column + 1}${under}${gone}`;
  }

  /** Take away the cells between two points, or put them back. */
  function take(page, from, to) {
    const { state } = page;
    const { height, width } = state.seen;
    panel.alongStroke({ height, width, from, to, radius: 0.75 }, (place) => {
      const cell = {
        row: panel.cellOf(Math.floor(place / width), height, state.grid),
        column: panel.cellOf(place % width, width, state.grid),
      };
      panel.fillCell(state.taken, { height, width, grid: state.grid, ...cell }, state.putting);
    });
    takingChanged(page);
  }

  function takingChanged(page) {
    page.state.view = { kind: "taken" };
    panel.showStage(page);
    panel.rescore(page);
  }

  function putBack(page) {
    page.state.taken?.fill(0);
    takingChanged(page);
  }

  /** Draw between two points; a stroke counts once wherever it goes. */
  function brush(page, from, to) {
    const { state } = page;
    const { height, width } = state.seen;
    panel.alongStroke({ height, width, from, to, radius: Math.min(height, width) / 24 }, (place) => {
      if (!state.stroke[place]) state.strokes[place] += 1;
      state.stroke[place] = 1;
    });
    state.over = "drawn";
    showDrawing(page);
  }

  function showDrawing(page) {
    const { state } = page;
    state.maps.set("drawn", { map: panel.drawnMap(state.strokes, state.seen.height, state.seen.width) });
    panel.showStage(page);
  }

  function drawingChanged(page) {
    const { state } = page;
    if (!state.seen) return;
    if (state.strokes.some((value) => value > 0)) showDrawing(page);
    else state.maps.delete("drawn");
    state.judged.delete("drawn");
    if (state.view.key === "drawn") state.version += 1;
    panel.offerMaps(page);
    panel.showJudged(page);
    panel.showStage(page);
    panel.rescore(page);
  }

  function wipeDrawing(page) {
    page.state.strokes?.fill(0);
    drawingChanged(page);
  }

  globalThis.segattr.panel = Object.assign(panel, { heedPointing, putBack, wipeDrawing });
}
