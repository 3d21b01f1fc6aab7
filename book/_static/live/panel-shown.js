// The two pictures: the one that is pointed at, and the one without what was taken away or deleted, with its score.
"use strict";
{
  const { panel } = globalThis.segattr;
  const { element, radios, paint } = panel;
  const MODES = [["target", "choose the target"], ["take", "take cells away"], ["draw", "draw a map"]];
  const HINTS = {
    target:
      "Click an object to make it the target. " +
      "With the keyboard: arrow keys move a cell, Enter chooses what is under it.",
    whole: "The whole picture is the target; choose above which class of it.",
    take:
      "Click cells or brush over them to take them away; begin on a cell that is gone to put it back. " +
      "With the keyboard: arrow keys move a cell, Space takes it away or puts it back.",
    draw:
      "Brush over what you think the answer rests on; going over it again counts more. " +
      "With the keyboard: arrow keys move a cell, Space draws on it.",
  };

  /** The pictures. On a wide page they stay beside whatever else is looked at: what is run and moved there changes
   * them. */
  function shownOf(page) {
    const { parts } = page;
    parts.stage = element("canvas", { tabindex: "0", role: "application", "aria-label": "The picture" });
    parts.hint = element("p", { class: "judge-hint", id: "judge-hint" });
    parts.stage.setAttribute("aria-describedby", "judge-hint");
    parts.targetText = element("p", { class: "judge-caption" });
    parts.result = element("canvas", { role: "img", "aria-label": "The picture with something taken away" });
    parts.resultText = element("p", { class: "judge-caption", role: "status" });
    parts.cellText = element("p", { class: "judge-unseen", "aria-live": "polite" });
    const modes = radios("Pointing at the picture is to", MODES, page.state.mode, (mode) => changeMode(page, mode));
    return element(
      "div",
      { class: "judge-pictures" },
      element("div", {}, modes, parts.stage, parts.targetText, parts.cellText),
      element("div", {}, parts.result, parts.resultText, panel.sliderOf(page)),
    );
  }

  function changeMode(page, mode) {
    const { state } = page;
    state.mode = mode;
    if (mode === "take") state.view = { kind: "taken" };
    state.over = mode === "draw" ? "drawn" : state.over === "drawn" ? "" : state.over;
    showStage(page);
    panel.offerMaps(page);
    rescore(page);
  }

  function showStage(page) {
    const { live, state, parts } = page;
    const { stage } = parts;
    parts.hint.textContent = HINTS[state.mode === "target" && panel.isWhole(state) ? "whole" : state.mode];
    stage.style.touchAction = state.mode === "target" ? "manipulation" : "none";
    if (!state.seen) return;
    const { height, width, rgb } = state.seen;
    const map = state.unfinished ?? state.maps.get(state.over)?.map;
    let rgba = map ? panel.overlay(rgb, map) : live.rgba(rgb);
    if (state.mode === "take") rgba = panel.hatched(rgba, state.taken, width);
    const cursor = document.activeElement === stage ? panel.cursorOf(stage, state.grid) : null;
    paint(stage, { height, width, rgba, outline: state.outline, cursor });
    const laid = map && !state.unfinished ? `, ${panel.MAPS[state.over].label} over it: dark is 0, light is 1` : "";
    const shows = panel.capital(state.about.shows || state.about.title);
    stage.setAttribute("aria-label", `${shows}${targeted(state)}${laid}`);
  }

  /** The target in the text of the picture. */
  function targeted(state) {
    if (!state.target) return "";
    const { label } = state.target;
    return panel.isWhole(state) ? `; the target is the whole of it, as ${label}` : `; the ${label} is outlined`;
  }

  /** Show the picture without what is chosen, and its score; asked again meanwhile, it goes on to the newest. */
  async function rescore(page) {
    const { state } = page;
    state.wanted = true;
    if (state.scoring || state.job || !state.target) return;
    state.scoring = true;
    while (state.wanted && !state.job && state.target) {
      state.wanted = false;
      await scoreOnce(page);
    }
    state.scoring = false;
    if (state.wanted && !state.job && state.target) rescore(page);
  }

  async function scoreOnce(page) {
    const { live, state, parts } = page;
    const { version, view, target, fill } = state;
    const selection = selected(state, view);
    const shares = panel.sharesOf(selection, target.mask);
    try {
      const answer = await state.engine.without(selection, fill);
      if (version !== state.version || state.job) return;
      paint(parts.result, { ...state.seen, rgba: live.rgba(answer.rgb) });
      const before = { name: target.name, before: target.score, after: answer.score };
      const text =
        view.kind === "taken"
          ? panel.withoutSentence({ ...before, ...shares })
          : panel.deletedSentence({ ...before, label: panel.MAPS[view.key].label, level: view.level });
      parts.resultText.textContent = text;
      parts.result.setAttribute("aria-label", `What the model is shown. ${text}`);
    } catch (error) {
      if (error.name !== "Superseded") parts.problem.textContent = panel.errorSentence(error);
    }
  }

  /** What a view takes away; a copy, since the reader goes on brushing while the engine is at it. */
  function selected(state, view) {
    if (view.kind === "taken") return state.taken.slice();
    return panel.topFraction(state.maps.get(view.key).map, state.target.mask, view.level);
  }

  globalThis.segattr.panel = Object.assign(panel, { shownOf, showStage, rescore });
}
