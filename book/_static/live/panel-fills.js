// Two fills: what deleting by one map costs where the one or the other takes the place of what is deleted.
"use strict";
{
  const { panel } = globalThis.segattr;
  const { element, section, dropdown } = panel;

  function comparingOf(page) {
    const { parts } = page;
    parts.fillMap = dropdown("Map", [], "", () => {});
    parts.firstFill = dropdown("Becomes", panel.FILLS, "mean", () => {});
    parts.secondFill = dropdown("or", panel.FILLS, "zeros", () => {});
    const about = { type: "button", class: "judge-main", click: () => compareFills(page) };
    parts.fillButton = element("button", about, "Compare");
    parts.fillText = element("p", { role: "status" });
    parts.fillCurves = element("div", { class: "judge-drawing" });
    return section(
      "Compare two fills",
      element("p", {}, "Deleted pixels must become something, and the curve is of that too."),
      element("div", { class: "judge-row" }, parts.fillMap, parts.firstFill, parts.secondFill, parts.fillButton),
      parts.fillText,
      parts.fillCurves,
    );
  }

  async function compareFills(page) {
    const { state, parts } = page;
    const key = parts.fillMap.select.value;
    const fills = [parts.firstFill.select.value, parts.secondFill.select.value];
    parts.fillText.textContent = "";
    parts.fillCurves.replaceChildren();
    if (fills[0] === fills[1]) {
      parts.problem.textContent = `Both fills are ${panel.fillName(fills[0])}; choose two that differ.`;
      return;
    }
    await panel.job(page, "comparing fills", async (ticket) => {
      const { label } = panel.MAPS[key];
      const { map } = state.maps.get(key);
      const curves = [];
      for (const [place, fill] of fills.entries()) {
        const text = `deleting by ${label}: ${panel.fillName(fill)}`;
        const curve = await state.engine.curve({
          map,
          fill,
          levels: panel.LEVELS,
          progress: (_, done, total) => panel.report(page, ticket, (place + done / total) / 2, text),
        });
        if (!ticket.alive) return;
        curves.push(curve);
      }
      showFills(page, label, fills, curves);
    });
    panel.rescore(page);
  }

  function showFills(page, label, fills, curves) {
    const { state, parts } = page;
    const { score, name } = state.target;
    const [first, second] = fills.map(panel.fillName);
    const drops = curves.map((curve) => panel.drop(score, curve.scores[panel.AT_TOP]));
    const text = panel.fillsSentence({ label, k: panel.TOP, name, first, second, drops });
    parts.fillText.textContent = text;
    const series = curves.map((curve, place) => ({
      key: ["first", "second"][place],
      label: [first, second][place],
      shape: ["circle", "square"][place],
      ...curve,
    }));
    state.drawFills = () => {
      const mark = { level: panel.TOP };
      const svg = panel.curveChart({ width: panel.widthOf(parts.fillCurves), series, mark, title: text });
      parts.fillCurves.replaceChildren(panel.chart(`Deletion by ${label} under two fills`, svg));
    };
    state.drawFills();
  }

  globalThis.segattr.panel = Object.assign(panel, { comparingOf });
}
