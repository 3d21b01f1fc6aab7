// Maps: RIA and adaptive RIA, run while the map fills in, and the maps that there are offered wherever one is chosen.
"use strict";
{
  const { panel } = globalThis.segattr;
  const { element, section, dropdown } = panel;
  const BUDGETS = [25, 49, 100, 196].map((budget) => [String(budget), `${budget} passes`]);

  function explainingOf(page) {
    const { state, parts } = page;
    const budgets = dropdown("Adaptive RIA spends", BUDGETS, String(state.budget), (budget) => {
      state.budget = Number(budget);
    });
    const running = (method, words) =>
      element("button", { type: "button", class: "judge-main", click: () => explain(page, method) }, words);
    parts.runRia = running("ria", "Run RIA");
    parts.runAdaptive = running("adaptive_ria", "Run adaptive RIA");
    parts.explainText = element("p", { role: "status" });
    return section(
      "Explain it",
      element(
        "p",
        {},
        "RIA fills one cell of the grid after another and notes what the score loses; " +
          "adaptive RIA spends its passes where the target is.",
      ),
      element("div", { class: "judge-row" }, parts.runRia, parts.runAdaptive, budgets),
      parts.explainText,
    );
  }

  async function explain(page, method) {
    const { state, parts } = page;
    if (!state.target) return;
    const { label } = panel.MAPS[method];
    const { grid, budget, fill } = state;
    const began = performance.now();
    parts.stage.scrollIntoView({ block: "nearest" });
    const finished = await panel.job(page, label, async (ticket) => {
      const request = method === "ria" ? { grid } : { budget };
      const { map, passes } = await state.engine.explain({
        method,
        ...request,
        fill,
        progress(unfinished, done, total) {
          if (!ticket.alive) return;
          panel.report(page, ticket, done / total, `${label}: ${done} of ${total} passes`);
          state.unfinished = unfinished;
          panel.showStage(page);
        },
      });
      if (!ticket.alive) return;
      const seconds = (performance.now() - began) / 1000;
      state.maps.set(method, { map });
      state.judged.delete(method);
      state.over = method;
      state.view = { kind: "deleted", key: method, level: levelOf(page) };
      parts.explainText.textContent = panel.explainedSentence({ label, passes, seconds });
    });
    state.unfinished = null;
    if (finished) {
      parts.judging.inputs.get(method).checked = true;
      parts.judging.inputs.get("random").checked = true;
    }
    offerMaps(page);
    if (finished) parts.fillMap.select.value = method;
    panel.showJudged(page);
    panel.showStage(page);
    panel.rescore(page);
  }

  /** Offer the maps that there are wherever one is chosen. */
  function offerMaps(page) {
    const { state, parts } = page;
    const made = Object.keys(panel.MAPS).filter((key) => state.maps.has(key) && state.target);
    const options = made.map((key) => [key, panel.MAPS[key].label]);
    const drawable = options.filter(([key]) => key !== "random");
    state.over = parts.over.offer([["", "nothing"], ...drawable], state.over);
    const moved = state.view.key ?? parts.sliderMap.select.value;
    parts.sliderMap.offer(options, moved);
    parts.fillMap.offer(options, parts.fillMap.select.value);
    for (const [key, input] of parts.judging.inputs) {
      const missing = !made.includes(key);
      input.disabled = missing || Boolean(state.job);
      if (missing) input.checked = false;
      const notes = { drawn: "(draw it on the picture first)", random: "" };
      parts.judging.notes.get(key).textContent = missing ? (notes[key] ?? "(run it first)") : "";
    }
    const { runRia, runAdaptive, judgeButton, fillButton, slider, back, wipe } = parts;
    for (const control of [runRia, runAdaptive, judgeButton, fillButton, slider, back, wipe]) {
      control.disabled = !state.target || (Boolean(state.job) && control !== document.activeElement);
    }
    sayLevel(page);
  }

  /** The slider over how much is deleted, and by which map: it stands under the picture that it changes. */
  function sliderOf(page) {
    const { parts } = page;
    const last = String(panel.LEVELS.length - 1);
    const moved = () => slide(page);
    const id = panel.freshId();
    const value = String(panel.AT_TOP);
    parts.slider = element("input", { id, type: "range", min: "0", max: last, value, input: moved });
    parts.sliderText = element("output", {});
    parts.sliderMap = dropdown("Map", [], "", moved);
    const field = panel.field(["Deleted of the target: ", parts.sliderText], parts.slider);
    field.classList.add("judge-slider");
    return element("div", { class: "judge-row" }, parts.sliderMap, field);
  }

  /** The share of the target that the slider stands at. */
  function levelOf({ parts }) {
    return panel.LEVELS[parts.slider.value];
  }

  function sayLevel(page) {
    const level = levelOf(page);
    page.parts.sliderText.textContent = panel.percent(level);
    page.parts.slider.setAttribute("aria-valuetext", `${panel.percent(level)} deleted`);
  }

  function slide(page) {
    sayLevel(page);
    const key = page.parts.sliderMap.select.value;
    if (!key) return;
    page.state.view = { kind: "deleted", key, level: levelOf(page) };
    panel.showCurves(page);
    panel.rescore(page);
  }

  globalThis.segattr.panel = Object.assign(panel, { explainingOf, offerMaps, sliderOf, levelOf });
}
