// What the model sees on the picture, and which of it is the target.
"use strict";
{
  const { panel } = globalThis.segattr;
  const { element, section, dropdown } = panel;
  const GRIDS = [7, 10, 14, 20].map((grid) => [String(grid), `${grid} × ${grid} cells`]);

  function lookingOf(page) {
    const { state, parts } = page;
    parts.credit = element("p", { class: "judge-credit" });
    parts.seenText = element("p", { role: "status" });
    parts.targets = element("div", { class: "judge-targets", role: "group", "aria-label": "Target" });
    const grids = dropdown("Cells", GRIDS, String(state.grid), (grid) => {
      state.grid = Number(grid);
      panel.showStage(page);
    });
    const fills = dropdown("What is taken away becomes", panel.FILLS, state.fill, (fill) => {
      state.fill = fill;
      state.version += 1;
      state.judged.clear();
      panel.showJudged(page);
      panel.rescore(page);
    });
    parts.over = dropdown("Over the picture", [["", "nothing"]], "", (key) => {
      state.over = key;
      panel.showStage(page);
    });
    parts.back = element("button", { type: "button", click: () => panel.putBack(page) }, "Put all back");
    parts.wipe = element("button", { type: "button", click: () => panel.wipeDrawing(page) }, "Wipe your map");
    return section(
      "What the model sees",
      parts.seenText,
      parts.targets,
      parts.hint,
      element("div", { class: "judge-row" }, grids, fills, parts.over, parts.back, parts.wipe),
      parts.credit,
    );
  }

  /** What a reader may choose from, each with a label: objects and their parts, or the classes of the whole picture. */
  function offeredOf(state, seen) {
    if (!panel.isWhole(state)) return panel.targetsOf(seen);
    return seen.classes.map((each) => ({ ...each, label: each.name, name: "picture" }));
  }

  /** Make this the target, and drop what was of another one. */
  async function aim(page, ticket, target) {
    const { state, parts } = page;
    const { score } = await state.engine.target({ class_id: target.class_id, mask: target.mask });
    if (!ticket.alive) return;
    const { height, width } = state.seen;
    state.version += 1;
    state.target = { ...target, score };
    state.outline = panel.isWhole(state) ? [] : panel.outlineOf(target.mask, height, width);
    for (const key of ["ria", "adaptive_ria"]) state.maps.delete(key);
    state.judged.clear();
    state.over = state.mode === "draw" ? "drawn" : "";
    for (const place of [parts.explainText, parts.fillText]) place.textContent = "";
    parts.fillCurves.replaceChildren();
    parts.targetText.textContent = panel.isWhole(state)
      ? panel.wholeSentence(target.label, score)
      : panel.targetSentence(target.label, target.name, score) + panel.truthSentence(target, state.truth);
    showTargets(page);
    panel.showStage(page);
    panel.showJudged(page);
  }

  async function choose(page, target) {
    if (!target || page.state.job) return;
    await panel.job(page, "the target", (ticket) => aim(page, ticket, target));
    panel.rescore(page);
  }

  function showTargets(page) {
    const { state, parts } = page;
    parts.targets.replaceChildren(
      ...state.offered.map((target) => {
        const pressed = String(target.mask === state.target?.mask);
        const click = () => choose(page, target);
        return element("button", { type: "button", "aria-pressed": pressed, click }, target.label);
      }),
    );
  }

  globalThis.segattr.panel = Object.assign(panel, { lookingOf, offeredOf, aim, choose });
}
