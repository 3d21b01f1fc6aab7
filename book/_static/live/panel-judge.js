// Judging maps: their deletion curves, what blind deletions cost beside them, and what is to be said of that.
"use strict";
{
  const { panel } = globalThis.segattr;
  const { element, section, boxes, table } = panel;

  function deletingOf(page) {
    const { parts } = page;
    parts.judging = boxes("Delete by", Object.entries(panel.MAPS).map(([key, { label }]) => [key, label]));
    const about = { type: "button", class: "judge-main", click: () => judge(page) };
    parts.judgeButton = element("button", about, "Judge them");
    parts.judgeText = element("div", { role: "status" });
    parts.curves = element("div", { class: "judge-drawing" });
    parts.numbers = element("div", {});
    parts.nulls = element("div", { class: "judge-drawing" });
    return section(
      "Judge the maps",
      element(
        "p",
        {},
        "A map is worth what the score loses when the map's top pixels are deleted, " +
          "beyond what a blind selection loses that is as large and as ragged.",
      ),
      parts.judging,
      parts.judgeButton,
      parts.judgeText,
      parts.curves,
      parts.numbers,
      parts.nulls,
    );
  }

  async function judge(page) {
    const { state, parts } = page;
    const boxed = [...parts.judging.inputs];
    const chosen = boxed.filter(([, input]) => input.checked && !input.disabled).map(([key]) => key);
    if (!chosen.length) {
      parts.problem.textContent = "No map is chosen; run RIA or draw a map, and choose it under “Delete by”.";
      return;
    }
    await panel.job(page, "judging", async (ticket) => {
      const { fill } = state;
      for (const [place, key] of chosen.entries()) {
        if (state.judged.has(key)) continue;
        const { label } = panel.MAPS[key];
        const { map } = state.maps.get(key);
        const say = (part, text) => panel.report(page, ticket, (place + part) / chosen.length, text);
        const curve = await state.engine.curve({
          map,
          fill,
          levels: panel.LEVELS,
          progress: (_, done, total) => say((0.2 * done) / total, `deleting by ${label}`),
        });
        if (!ticket.alive) return;
        const chance = await state.engine.null({
          map,
          k: panel.TOP,
          fill,
          progress: (done, total) =>
            say(0.2 + (0.8 * done) / total, `blind deletions beside ${label}: ${done} of ${total}`),
        });
        if (!ticket.alive) return;
        state.judged.set(key, { curve, chance });
        showJudged(page);
      }
    });
    panel.rescore(page);
  }

  /** What is known of every judged map, p adjusted for how many these are. */
  function judgedRows({ judged }) {
    const rows = [...judged].map(([key, { curve, chance }]) => ({
      key,
      ...panel.MAPS[key],
      curve,
      chance,
      tdd: chance.own.value,
    }));
    const adjusted = panel.holm(rows.map((row) => row.chance.p));
    return rows.map((row, place) => ({
      ...row,
      p: adjusted[place],
      beyond: adjusted[place] < panel.LEVEL && row.tdd > row.chance.expected,
    }));
  }

  function showJudged(page) {
    const { state, parts } = page;
    const rows = judgedRows(state);
    for (const place of [parts.judgeText, parts.curves, parts.numbers, parts.nulls]) place.replaceChildren();
    if (!rows.length) return;
    const { name } = state.target;
    const sentences = rows.map(({ label, tdd, chance, p }) =>
      panel.judgedSentence({ name, label, k: panel.TOP, tdd, expected: chance.expected, p }),
    );
    parts.judgeText.append(...sentences.map((sentence) => element("p", {}, sentence)));
    parts.numbers.append(
      tableOfMaps(rows),
      element("details", {}, element("summary", {}, "The curves in numbers"), tableOfCurves(rows)),
    );
    showCurves(page);
  }

  function tableOfMaps(rows) {
    const heads = ["map", `deleting ${panel.topShare(panel.TOP)} costs`, "by chance", "p", "more than chance?"];
    const cells = rows.map((row) => [
      panel.capital(row.label),
      panel.percent(row.tdd),
      panel.percent(row.chance.expected),
      panel.decimal(row.p, 3),
      row.beyond ? "yes" : "no",
    ]);
    return table("What deleting by each map costs; p adjusted for the number of maps (Holm).", heads, cells);
  }

  function tableOfCurves(rows) {
    const scores = [...rows[0].curve.levels].map((level, place) => [
      panel.percent(level),
      ...rows.map((row) => panel.decimal(row.curve.scores[place], 3)),
    ]);
    return table("The score that is left.", ["deleted", ...rows.map((row) => row.label)], scores);
  }

  /** The charts, at the width that they have. */
  function showCurves(page) {
    const { state, parts } = page;
    const rows = judgedRows(state);
    if (!rows.length) return;
    const { name, score } = state.target;
    parts.curves.replaceChildren(chart(`Deletion curves of the ${name}`, curvesOf(page, rows, name, score)));
    const draws = rows[0].chance.values.length;
    const title = `What ${draws} blind deletions of ${panel.topShare(panel.TOP)} cost, by how ragged they are`;
    parts.nulls.replaceChildren(chart(title, nullsOf(page, rows)));
  }

  function curvesOf(page, rows, name, score) {
    const { TOP, AT_TOP, percent, decimal } = panel;
    const series = rows.map(({ key, label, shape, curve }) => ({ key, label, shape, ...curve }));
    const expected = Math.max(...rows.map((row) => row.chance.expected));
    const leaves = rows.map((row) => `${row.label} leaves ${decimal(row.curve.scores[AT_TOP])}`);
    return panel.curveChart({
      width: widthOf(page.parts.curves),
      series,
      mark: { level: panel.levelOf(page) },
      chance: { level: TOP, score: score * (1 - expected) },
      title: `Score of the ${name} over the share of it deleted; at ${percent(TOP)} ${leaves.join(", ")}.`,
    });
  }

  function nullsOf(page, rows) {
    const marks = rows.map(({ key, label, shape, chance, tdd }) => ({
      key,
      label,
      shape,
      grain: chance.own.grain,
      value: tdd,
    }));
    const [{ chance }] = rows;
    const losses = marks.map((mark) => `${mark.label} ${panel.percent(mark.value)}`).join(", ");
    return panel.nullChart({
      width: widthOf(page.parts.nulls),
      values: chance.values,
      grain: chance.grain,
      marks,
      title: `Loss of the score over raggedness: grey dots are blind deletions; ${losses}.`,
    });
  }

  /** A drawing, SVG, under its title. */
  function chart(title, svg) {
    const drawing = element("figure", { class: "judge-figure" }, element("figcaption", {}, title));
    drawing.insertAdjacentHTML("beforeend", svg);
    return drawing;
  }

  /** The width in px that a chart has in its place. */
  function widthOf(place) {
    return Math.max(280, Math.min(640, Math.floor(place.clientWidth || 560)));
  }

  globalThis.segattr.panel = Object.assign(panel, { deletingOf, showJudged, showCurves, chart, widthOf });
}
