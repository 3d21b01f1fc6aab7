// The panel of "Judge a map yourself": what its reader does, what is asked of the engine, and what is shown of that.
// One thing is asked at a time. Whatever was asked of an earlier picture, target or fill is dropped with it, so that no
// picture, curve or sentence is of anything but what stands beside it. engine.js says what the engine answers.
"use strict";
{
  const panel = globalThis.segattr.panel;
  const { element, section, radios, dropdown, boxes, table, paint, pointing } = panel;

  const TOP = 0.2; // the share of the target that a map is judged by
  const LEVELS = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];
  const AT_TOP = LEVELS.indexOf(TOP);
  const FILLS = [["mean", "its mean colour"], ["blur", "a blur of it"], ["zeros", "black"]];
  const GRIDS = [7, 10, 14, 20].map((grid) => [String(grid), `${grid} × ${grid} cells`]);
  const BUDGETS = [25, 49, 100, 196].map((budget) => [String(budget), `${budget} passes`]);
  const MAPS = {
    ria: { label: "RIA", shape: "circle" },
    adaptive_ria: { label: "adaptive RIA", shape: "square" },
    drawn: { label: "your own map", shape: "triangle" },
    random: { label: "random pixels", shape: "cross" },
  };
  const MODES = [["target", "choose the target"], ["take", "take cells away"], ["draw", "draw a map"]];
  const HINTS = {
    target:
      "Click an object to make it the target. " +
      "With the keyboard: arrow keys move a cell, Enter chooses what is under it.",
    take:
      "Click cells or brush over them to take them away; begin on a cell that is gone to put it back. " +
      "With the keyboard: arrow keys move a cell, Space takes it away or puts it back.",
    draw:
      "Brush over what you think the answer rests on; going over it again counts more. " +
      "With the keyboard: arrow keys move a cell, Space draws on it.",
  };

  function fillName(fill) {
    return FILLS.find(([name]) => name === fill)[1];
  }

  /** Build the panel in an element that holds a static figure, from what engine.js and models.js made of `live`. */
  function mount(root, live) {
    if (!live || live.absent) {
      const note = root.querySelector(".judge-note");
      if (note) note.textContent = live ? live.absent : "The live model is not part of this build of the book.";
      return null;
    }

    const state = {
      engine: null,
      job: null, // what goes on: {alive}
      mode: "target",
      grid: 14,
      budget: 49,
      fill: "mean",
      ...nothingSeen(0),
    };

    // What is shown.

    const bar = element("progress", { max: "1", value: "0", "aria-label": "Progress" });
    const doing = element("span", { class: "judge-doing" });
    const cancelling = element("button", { type: "button", class: "judge-cancel", click: cancel }, "Cancel");
    const going = element("div", { class: "judge-going", hidden: true }, bar, doing, cancelling);
    const problem = element("p", { class: "judge-error", role: "alert" });
    const foot = element("div", { class: "judge-foot" }, problem, going);

    let model = live.models[0];
    const size = element("p", {});
    const starting = element("button", { type: "button", class: "judge-main", click: start }, "Start");
    const models = radios(
      "Model",
      live.models.map((entry) => [entry.id, `${entry.title} (${panel.megabytes(entry.megabytes)})`]),
      model.id,
      (id) => {
        model = live.models.find((entry) => entry.id === id);
        sayModel();
      },
    );
    const entrance = section("Start", models, size, starting);
    const work = element("div", { class: "judge-work", hidden: true });

    const thumbs = element("div", { class: "judge-thumbs", role: "group", "aria-label": "Pictures of the book" });
    const file = element("input", {
      type: "file",
      accept: "image/*",
      class: "judge-file",
      change: () => fromFiles(file.files),
    });
    const pasting = element("button", { type: "button", click: fromClipboard }, "Paste a picture");
    const credit = element("p", { class: "judge-credit" });
    const seenText = element("p", { role: "status" });
    const targets = element("div", { class: "judge-targets", role: "group", "aria-label": "Target" });

    const stage = element("canvas", { tabindex: "0", role: "application", "aria-label": "The picture" });
    const hint = element("p", { class: "judge-hint", id: "judge-hint" });
    stage.setAttribute("aria-describedby", "judge-hint");
    const targetText = element("p", { class: "judge-caption" });
    const result = element("canvas", { role: "img", "aria-label": "The picture with something taken away" });
    const resultText = element("p", { class: "judge-caption", role: "status" });
    const cellText = element("p", { class: "judge-unseen", "aria-live": "polite" });

    const modes = radios("Pointing at the picture is to", MODES, state.mode, (mode) => {
      state.mode = mode;
      if (mode === "take") state.view = { kind: "taken" };
      state.over = mode === "draw" ? "drawn" : state.over === "drawn" ? "" : state.over;
      showStage();
      offerMaps();
      rescore();
    });
    const grids = dropdown("Cells", GRIDS, String(state.grid), (grid) => {
      state.grid = Number(grid);
      showStage();
    });
    const fills = dropdown("What is taken away becomes", FILLS, state.fill, (fill) => {
      state.fill = fill;
      state.version += 1;
      state.judged.clear();
      showJudged();
      rescore();
    });
    const over = dropdown("Over the picture", [["", "nothing"]], "", (key) => {
      state.over = key;
      showStage();
    });
    const back = element("button", { type: "button", click: putBack }, "Put all back");
    const wipe = element("button", { type: "button", click: wipeDrawing }, "Wipe your map");

    const budgets = dropdown("Adaptive RIA spends", BUDGETS, String(state.budget), (budget) => {
      state.budget = Number(budget);
    });
    const runRia = element("button", { type: "button", class: "judge-main", click: () => explain("ria") }, "Run RIA");
    const runAdaptive = element(
      "button",
      { type: "button", class: "judge-main", click: () => explain("adaptive_ria") },
      "Run adaptive RIA",
    );
    const explainText = element("p", { role: "status" });

    const judging = boxes("Delete by", Object.entries(MAPS).map(([key, { label }]) => [key, label]));
    const judgeButton = element("button", { type: "button", class: "judge-main", click: judge }, "Judge them");
    const judgeText = element("div", { role: "status" });
    const curves = element("div", { class: "judge-drawing" });
    const numbers = element("div", {});
    const nulls = element("div", { class: "judge-drawing" });

    const last = String(LEVELS.length - 1);
    const id = panel.freshId();
    const slider = element("input", { id, type: "range", min: "0", max: last, value: String(AT_TOP), input: slide });
    const sliderText = element("output", {});
    const sliderMap = dropdown("Map", [], "", slide);
    const sliderField = panel.field(["Deleted of the target: ", sliderText], slider);
    sliderField.classList.add("judge-slider");
    const sliding = element("div", { class: "judge-row" }, sliderMap, sliderField);

    const fillMap = dropdown("Map", [], "", () => {});
    const firstFill = dropdown("Becomes", FILLS, "mean", () => {});
    const secondFill = dropdown("or", FILLS, "zeros", () => {});
    const fillButton = element("button", { type: "button", class: "judge-main", click: compareFills }, "Compare");
    const fillText = element("p", { role: "status" });
    const fillCurves = element("div", { class: "judge-drawing" });

    const pictures = section(
      "Picture",
      thumbs,
      element(
        "div",
        { class: "judge-row" },
        element("label", { class: "judge-button" }, file, "Your own picture"),
        pasting,
      ),
      element(
        "p",
        { class: "judge-hint" },
        "Or drop one here, or paste it. Your picture never leaves this page: " +
          "the model runs in it, and nothing is sent.",
      ),
    );
    // On a wide page these stay beside whatever else is looked at: what is run and moved there changes them.
    const shown = element(
      "div",
      { class: "judge-pictures" },
      element("div", {}, modes, stage, targetText, cellText),
      element("div", {}, result, resultText, sliding),
    );
    const looking = section(
      "What the model sees",
      seenText,
      targets,
      hint,
      element("div", { class: "judge-row" }, grids, fills, over, back, wipe),
      credit,
    );
    const explaining = section(
      "Explain it",
      element(
        "p",
        {},
        "RIA fills one cell of the grid after another and notes what the score loses; " +
          "adaptive RIA spends its passes where the target is.",
      ),
      element("div", { class: "judge-row" }, runRia, runAdaptive, budgets),
      explainText,
    );
    const deleting = section(
      "Judge the maps",
      element(
        "p",
        {},
        "A map is worth what the score loses when the map's top pixels are deleted, " +
          "beyond what a blind selection loses that is as large and as ragged.",
      ),
      judging,
      judgeButton,
      judgeText,
      curves,
      numbers,
      nulls,
    );
    const comparing = section(
      "Compare two fills",
      element("p", {}, "Deleted pixels must become something, and the curve is of that too."),
      element("div", { class: "judge-row" }, fillMap, firstFill, secondFill, fillButton),
      fillText,
      fillCurves,
    );
    const leaving = element("button", { type: "button", click: leave }, "Choose another model");
    work.append(pictures, shown, looking, explaining, deleting, comparing, element("p", {}, leaving));
    root.replaceChildren(entrance, work, foot);
    root.classList.add("judge-live");
    if (!navigator.clipboard?.read) pasting.hidden = true;
    sayModel();

    // One thing at a time.

    /** Do some work, the bar shown; what it throws is said, and what was superseded is not. No work begins while
     * another goes on. Gives whether it came to its end. */
    async function job(name, steps) {
      if (state.job) return false;
      const ticket = { alive: true };
      state.job = ticket;
      problem.textContent = "";
      report(ticket, 0, name);
      busy(true);
      try {
        await steps(ticket);
      } catch (error) {
        if (ticket.alive && error.name !== "Superseded") problem.textContent = panel.errorSentence(error);
        ticket.alive = false;
      }
      const finished = ticket.alive;
      if (state.job === ticket) {
        state.job = null;
        busy(false);
      }
      return finished;
    }

    function report(ticket, share, text) {
      if (!ticket.alive) return;
      bar.value = share;
      doing.textContent = text;
    }

    function cancel() {
      if (!state.job) return;
      state.job.alive = false;
      state.job = null;
      state.unfinished = null;
      state.engine?.cancel();
      busy(false);
      showStage();
      rescore();
    }

    /** While something goes on nothing else can be begun; what was pressed keeps the keyboard's place. */
    function busy(on) {
      going.hidden = !on;
      root.setAttribute("aria-busy", String(on));
      for (const control of root.querySelectorAll("button, input, select")) {
        if (control === cancelling) continue;
        if (control === document.activeElement) control.setAttribute("aria-disabled", String(on));
        else control.disabled = on;
        if (!on) {
          control.disabled = false;
          control.removeAttribute("aria-disabled");
        }
      }
      if (!on) offerMaps();
    }

    root.addEventListener(
      "click",
      (event) => {
        if (event.target.closest?.("[aria-disabled=true]")) {
          event.preventDefault();
          event.stopPropagation();
        }
      },
      true,
    );
    root.addEventListener("keydown", (event) => {
      if (event.key === "Escape") cancel();
    });

    // Start.

    function sayModel() {
      const known = model.classes.slice(1);
      size.textContent =
        `Start loads ${panel.megabytes(model.megabytes)} from this book, once; the model then runs in this page, ` +
        `without a server. It knows ${panel.listed(known)}.`;
    }

    async function start() {
      await job("loading", async (ticket) => {
        const engine = await live.open(model.id, { progress: (share, text) => report(ticket, share, text) });
        if (!ticket.alive) {
          engine.close();
          return;
        }
        const offered = await live.pictures(model.id);
        if (!ticket.alive) {
          engine.close();
          return;
        }
        state.engine = engine;
        thumbs.replaceChildren(...offered.map(thumb));
        entrance.hidden = true;
        work.hidden = false;
      });
      if (!state.engine) return;
      pictures.heading.focus();
      thumbs.querySelector("button")?.click();
    }

    function leave() {
      cancel();
      state.engine?.close();
      state.engine = null;
      forget();
      work.hidden = true;
      entrance.hidden = false;
      entrance.heading.focus();
    }

    // A picture.

    function thumb(offered) {
      const image = element("img", { src: offered.source, alt: offered.shows || offered.title, class: "dark-light" });
      const made = element(
        "button",
        { type: "button", "aria-pressed": "false", title: offered.title, click: () => look(offered.source, offered) },
        image,
      );
      made.source = offered.source;
      return made;
    }

    function fromFiles(files) {
      const chosen = [...(files ?? [])];
      const picture = chosen.find((each) => each.type.startsWith("image/")) ?? chosen[0];
      if (!picture) return;
      cancel();
      look(picture, { title: picture.name, credit: "", shows: "your own picture", truth: null });
      file.value = "";
    }

    async function fromClipboard() {
      problem.textContent = "";
      try {
        for (const item of await navigator.clipboard.read()) {
          const kind = item.types.find((type) => type.startsWith("image/"));
          if (kind) return fromFiles([new File([await item.getType(kind)], "the pasted picture", { type: kind })]);
        }
        problem.textContent = "There is no picture in the clipboard; copy one and paste again.";
      } catch {
        problem.textContent = "This browser does not let the page read the clipboard; press Ctrl+V instead.";
      }
      return null;
    }

    root.addEventListener("dragover", (event) => event.preventDefault());
    root.addEventListener("drop", (event) => {
      event.preventDefault();
      if (state.engine) fromFiles(event.dataTransfer.files);
    });
    document.addEventListener("paste", (event) => {
      if (state.engine && event.clipboardData?.files.length) fromFiles(event.clipboardData.files);
    });

    function nothingSeen(version) {
      return {
        version, // of picture, target and fill: an answer of another one is not shown
        seen: null,
        truth: null,
        about: null,
        offered: [],
        target: null,
        outline: [],
        taken: null,
        strokes: null,
        stroke: null,
        putting: 1,
        over: "",
        unfinished: null,
        view: { kind: "taken" },
        maps: new Map(),
        judged: new Map(),
      };
    }

    /** Let go of all that was of the last picture, and show none of it. */
    function forget() {
      Object.assign(state, nothingSeen(state.version + 1));
      const sentences = [seenText, targetText, resultText, credit, explainText, fillText, cellText];
      for (const place of sentences) place.textContent = "";
      for (const place of [targets, judgeText, curves, numbers, nulls, fillCurves]) place.replaceChildren();
      for (const canvas of [stage, result]) canvas.width = canvas.height = 0;
      for (const button of thumbs.children) button.setAttribute("aria-pressed", "false");
      offerMaps();
    }

    async function look(source, about) {
      if (state.job) return;
      forget();
      for (const button of thumbs.children) button.setAttribute("aria-pressed", String(button.source === source));
      await job("looking at the picture", async (ticket) => {
        const picture = await live.pixels(source);
        const truth = about.truth ? await live.pixels(about.truth) : null;
        if (!ticket.alive) return;
        const seen = await state.engine.look(picture);
        if (!ticket.alive) return;
        const pixels = seen.height * seen.width;
        Object.assign(state, { seen, truth, about, offered: panel.targetsOf(seen) });
        state.taken = new Uint8Array(pixels);
        state.strokes = new Float32Array(pixels);
        state.maps.set("random", { map: live.noise(pixels, 1) });
        credit.textContent = about.credit ? `Picture: ${about.credit}.` : "";
        seenText.textContent = panel.seenSentence(seen.classes, seen.nearest);
        showStage();
        if (state.offered.length) await aim(ticket, state.offered[0]);
      });
      rescore();
    }

    // A target.

    async function aim(ticket, target) {
      const { score } = await state.engine.target({ class_id: target.class_id, mask: target.mask });
      if (!ticket.alive) return;
      const { height, width } = state.seen;
      state.version += 1;
      state.target = { ...target, score };
      state.outline = panel.outlineOf(target.mask, height, width);
      for (const key of ["ria", "adaptive_ria"]) state.maps.delete(key);
      state.judged.clear();
      state.over = state.mode === "draw" ? "drawn" : "";
      for (const place of [explainText, fillText]) place.textContent = "";
      fillCurves.replaceChildren();
      targetText.textContent = 
        panel.targetSentence(target.label, target.name, score) + panel.truthSentence(target, state.truth);
      showTargets();
      showStage();
      showJudged();
    }

    async function choose(target) {
      if (!target || state.job) return;
      await job("the target", (ticket) => aim(ticket, target));
      rescore();
    }

    function showTargets() {
      targets.replaceChildren(
        ...state.offered.map((target) =>
          element(
            "button",
            { type: "button", "aria-pressed": String(target.mask === state.target?.mask), click: () => choose(target) },
            target.label,
          ),
        ),
      );
    }

    // Pointing at the picture.

    pointing(stage, {
      shape: () => (state.seen && !state.job ? { ...state.seen, grid: state.grid } : null),
      began(point) {
        if (state.mode === "target") choose(objectAt(point));
        if (state.mode === "take") {
          state.putting = state.taken[placeOf(point)] ? 0 : 1;
          take(point, point);
        }
        if (state.mode === "draw") {
          state.stroke = new Uint8Array(state.taken.length);
          brush(point, point);
        }
      },
      drawn(from, to) {
        if (state.mode === "take") take(from, to);
        if (state.mode === "draw" && state.stroke) brush(from, to);
      },
      ended() {
        state.stroke = null;
        if (state.mode === "draw") drawingChanged();
      },
      pressed(cell, centre) {
        if (state.mode === "target") return choose(objectAt(centre));
        if (state.mode === "take") {
          const gone = state.taken[placeOf(centre)];
          panel.fillCell(state.taken, { ...state.seen, ...cell }, gone ? 0 : 1);
          takingChanged();
        }
        if (state.mode === "draw") {
          state.stroke = new Uint8Array(state.taken.length);
          brush(centre, centre);
          state.stroke = null;
          drawingChanged();
        }
        return sayCell(cell, centre);
      },
      stepped(cell, centre) {
        showStage();
        sayCell(cell, centre);
      },
    });
    stage.addEventListener("focus", showStage);
    stage.addEventListener("blur", showStage);

    function placeOf([x, y]) {
      return Math.floor(y) * state.seen.width + Math.floor(x);
    }

    function objectAt(point) {
      const place = placeOf(point);
      const parts = state.offered.filter((target) => target.mask[place]);
      return parts[parts.length - 1] ?? null; // the part before the whole class
    }

    function sayCell(cell, centre) {
      const object = objectAt(centre);
      const gone = state.taken[placeOf(centre)] ? ", taken away" : "";
      const under = object ? object.label : "background";
      cellText.textContent = `Row ${cell.row + 1}, column ${cell.column + 1}: ${under}${gone}`;
    }

    function take(from, to) {
      const { height, width } = state.seen;
      panel.alongStroke({ height, width, from, to, radius: 0.75 }, (place) => {
        const cell = {
          row: panel.cellOf(Math.floor(place / width), height, state.grid),
          column: panel.cellOf(place % width, width, state.grid),
        };
        panel.fillCell(state.taken, { height, width, grid: state.grid, ...cell }, state.putting);
      });
      takingChanged();
    }

    function takingChanged() {
      state.view = { kind: "taken" };
      showStage();
      rescore();
    }

    function putBack() {
      state.taken?.fill(0);
      takingChanged();
    }

    function brush(from, to) {
      const { height, width } = state.seen;
      panel.alongStroke({ height, width, from, to, radius: Math.min(height, width) / 24 }, (place) => {
        if (!state.stroke[place]) state.strokes[place] += 1;
        state.stroke[place] = 1;
      });
      state.over = "drawn";
      showDrawing();
    }

    function showDrawing() {
      state.maps.set("drawn", { map: panel.drawnMap(state.strokes, state.seen.height, state.seen.width) });
      showStage();
    }

    function drawingChanged() {
      if (!state.seen) return;
      if (state.strokes.some((value) => value > 0)) showDrawing();
      else state.maps.delete("drawn");
      state.judged.delete("drawn");
      if (state.view.key === "drawn") state.version += 1;
      offerMaps();
      showJudged();
      showStage();
      rescore();
    }

    function wipeDrawing() {
      state.strokes?.fill(0);
      drawingChanged();
    }

    function showStage() {
      hint.textContent = HINTS[state.mode];
      stage.style.touchAction = state.mode === "target" ? "manipulation" : "none";
      if (!state.seen) return;
      const { height, width, rgb } = state.seen;
      const map = state.unfinished ?? state.maps.get(state.over)?.map;
      let rgba = map ? panel.overlay(rgb, map) : live.rgba(rgb);
      if (state.mode === "take") rgba = panel.hatched(rgba, state.taken, width);
      const cursor = document.activeElement === stage ? panel.cursorOf(stage, state.grid) : null;
      paint(stage, { height, width, rgba, outline: state.outline, cursor });
      const laid = map && !state.unfinished ? `, ${MAPS[state.over].label} over it: dark is 0, light is 1` : "";
      const outlined = state.target ? `; the ${state.target.label} is outlined` : "";
      stage.setAttribute("aria-label", `${panel.capital(state.about.shows || state.about.title)}${outlined}${laid}`);
    }

    // What is left without something.

    let scoring = false;
    let wanted = false;

    /** Show the picture without what is chosen, and its score; asked again meanwhile, it goes on to the newest. */
    async function rescore() {
      wanted = true;
      if (scoring || state.job || !state.target) return;
      scoring = true;
      while (wanted && !state.job && state.target) {
        wanted = false;
        const { version, view, target, fill } = state;
        const selection = selected(view);
        const shares = panel.sharesOf(selection, target.mask);
        try {
          const answer = await state.engine.without(selection, fill);
          if (version !== state.version || state.job) continue;
          paint(result, { ...state.seen, rgba: live.rgba(answer.rgb) });
          const before = { name: target.name, before: target.score, after: answer.score };
          const text =
            view.kind === "taken"
              ? panel.withoutSentence({ ...before, ...shares })
              : panel.deletedSentence({ ...before, label: MAPS[view.key].label, level: view.level });
          resultText.textContent = text;
          result.setAttribute("aria-label", `What the model is shown. ${text}`);
        } catch (error) {
          if (error.name !== "Superseded") problem.textContent = panel.errorSentence(error);
        }
      }
      scoring = false;
      if (wanted && !state.job && state.target) rescore();
    }

    /** A copy: the reader goes on brushing while the engine is at it. */
    function selected(view) {
      if (view.kind === "taken") return state.taken.slice();
      return panel.topFraction(state.maps.get(view.key).map, state.target.mask, view.level);
    }

    // Maps.

    async function explain(method) {
      if (!state.target) return;
      const { label } = MAPS[method];
      const { grid, budget, fill } = state;
      const began = performance.now();
      stage.scrollIntoView({ block: "nearest" });
      const finished = await job(label, async (ticket) => {
        const request = method === "ria" ? { grid } : { budget };
        const { map, passes } = await state.engine.explain({
          method,
          ...request,
          fill,
          progress(unfinished, done, total) {
            if (!ticket.alive) return;
            report(ticket, done / total, `${label}: ${done} of ${total} passes`);
            state.unfinished = unfinished;
            showStage();
          },
        });
        if (!ticket.alive) return;
        const seconds = (performance.now() - began) / 1000;
        state.maps.set(method, { map });
        state.judged.delete(method);
        state.over = method;
        state.view = { kind: "deleted", key: method, level: LEVELS[slider.value] };
        explainText.textContent = panel.explainedSentence({ label, passes, seconds });
      });
      state.unfinished = null;
      if (finished) {
        judging.inputs.get(method).checked = true;
        judging.inputs.get("random").checked = true;
      }
      offerMaps();
      if (finished) fillMap.select.value = method;
      showJudged();
      showStage();
      rescore();
    }

    /** Offer the maps that there are wherever one is chosen. */
    function offerMaps() {
      const made = Object.keys(MAPS).filter((key) => state.maps.has(key) && state.target);
      const options = made.map((key) => [key, MAPS[key].label]);
      const drawable = options.filter(([key]) => key !== "random");
      state.over = over.offer([["", "nothing"], ...drawable], state.over);
      const moved = state.view.key ?? sliderMap.select.value;
      sliderMap.offer(options, moved);
      fillMap.offer(options, fillMap.select.value);
      for (const [key, input] of judging.inputs) {
        const missing = !made.includes(key);
        input.disabled = missing || Boolean(state.job);
        if (missing) input.checked = false;
        const notes = { drawn: "(draw it on the picture first)", random: "" };
        judging.notes.get(key).textContent = missing ? (notes[key] ?? "(run it first)") : "";
      }
      for (const control of [runRia, runAdaptive, judgeButton, fillButton, slider, back, wipe]) {
        control.disabled = !state.target || (Boolean(state.job) && control !== document.activeElement);
      }
      sayLevel();
    }

    function sayLevel() {
      const level = LEVELS[slider.value];
      sliderText.textContent = panel.percent(level);
      slider.setAttribute("aria-valuetext", `${panel.percent(level)} deleted`);
    }

    function slide() {
      sayLevel();
      const key = sliderMap.select.value;
      if (!key) return;
      state.view = { kind: "deleted", key, level: LEVELS[slider.value] };
      showCurves();
      rescore();
    }

    // Judging.

    async function judge() {
      const chosen = [...judging.inputs].filter(([, input]) => input.checked && !input.disabled).map(([key]) => key);
      if (!chosen.length) {
        problem.textContent = "No map is chosen; run RIA or draw a map, and choose it under “Delete by”.";
        return;
      }
      await job("judging", async (ticket) => {
        const { fill } = state;
        for (const [place, key] of chosen.entries()) {
          if (state.judged.has(key)) continue;
          const { label } = MAPS[key];
          const { map } = state.maps.get(key);
          const share = (part) => (place + part) / chosen.length;
          const curve = await state.engine.curve({
            map,
            fill,
            levels: LEVELS,
            progress: (_, done, total) => report(ticket, share((0.2 * done) / total), `deleting by ${label}`),
          });
          if (!ticket.alive) return;
          const chance = await state.engine.null({
            map,
            k: TOP,
            fill,
            progress: (done, total) =>
              report(ticket, share(0.2 + (0.8 * done) / total), `blind deletions beside ${label}: ${done} of ${total}`),
          });
          if (!ticket.alive) return;
          state.judged.set(key, { curve, chance });
          showJudged();
        }
      });
      rescore();
    }

    function judgedRows() {
      const rows = [...state.judged].map(([key, { curve, chance }]) => ({
        key,
        ...MAPS[key],
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

    function showJudged() {
      const rows = judgedRows();
      for (const place of [judgeText, curves, numbers, nulls]) place.replaceChildren();
      if (!rows.length) return;
      const { name } = state.target;
      const sentences = rows.map((row) =>
        panel.judgedSentence({ name, label: row.label, k: TOP, tdd: row.tdd, expected: row.chance.expected, p: row.p }),
      );
      judgeText.append(...sentences.map((sentence) => element("p", {}, sentence)));
      const heads = ["map", `deleting ${panel.topShare(TOP)} costs`, "by chance", "p", "more than chance?"];
      const cells = rows.map((row) => [
        panel.capital(row.label),
        panel.percent(row.tdd),
        panel.percent(row.chance.expected),
        panel.decimal(row.p, 3),
        row.beyond ? "yes" : "no",
      ]);
      const caption = "What deleting by each map costs; p adjusted for the number of maps (Holm).";
      const levels = rows[0].curve.levels;
      const scores = [...levels].map((level, place) => [
        panel.percent(level),
        ...rows.map((row) => panel.decimal(row.curve.scores[place], 3)),
      ]);
      numbers.append(
        table(caption, heads, cells),
        element(
          "details",
          {},
          element("summary", {}, "The curves in numbers"),
          table("The score that is left.", ["deleted", ...rows.map((row) => row.label)], scores),
        ),
      );
      showCurves();
    }

    /** The charts, at the width that they have. */
    function showCurves() {
      const rows = judgedRows();
      if (!rows.length) return;
      const { name, score } = state.target;
      const series = rows.map(({ key, label, shape, curve }) => ({ key, label, shape, ...curve }));
      const expected = Math.max(...rows.map((row) => row.chance.expected));
      const leaves = rows.map((row) => `${row.label} leaves ${panel.decimal(row.curve.scores[AT_TOP])}`);
      curves.replaceChildren(
        chart(
          `Deletion curves of the ${name}`,
          panel.curveChart({
            width: widthOf(curves),
            series,
            mark: { level: LEVELS[slider.value] },
            chance: { level: TOP, score: score * (1 - expected) },
            title: `Score of the ${name} over the share of it deleted; at ${panel.percent(TOP)} ${leaves.join(", ")}.`,
          }),
        ),
      );
      const marks = rows.map(({ key, label, shape, chance, tdd }) => ({
        key,
        label,
        shape,
        grain: chance.own.grain,
        value: tdd,
      }));
      const [{ chance }] = rows;
      const losses = marks.map((mark) => `${mark.label} ${panel.percent(mark.value)}`).join(", ");
      nulls.replaceChildren(
        chart(
          `What ${chance.values.length} blind deletions of ${panel.topShare(TOP)} cost, by how ragged they are`,
          panel.nullChart({
            width: widthOf(nulls),
            values: chance.values,
            grain: chance.grain,
            marks,
            title: `Loss of the score over raggedness: grey dots are blind deletions; ${losses}.`,
          }),
        ),
      );
    }

    function chart(title, svg) {
      const drawing = element("figure", { class: "judge-figure" }, element("figcaption", {}, title));
      drawing.insertAdjacentHTML("beforeend", svg);
      return drawing;
    }

    function widthOf(place) {
      return Math.max(280, Math.min(640, Math.floor(place.clientWidth || 560)));
    }

    // Two fills.

    async function compareFills() {
      const key = fillMap.select.value;
      const chosen = [firstFill.select.value, secondFill.select.value];
      fillText.textContent = "";
      fillCurves.replaceChildren();
      if (chosen[0] === chosen[1]) {
        problem.textContent = `Both fills are ${fillName(chosen[0])}; choose two that differ.`;
        return;
      }
      await job("comparing fills", async (ticket) => {
        const { label } = MAPS[key];
        const { map } = state.maps.get(key);
        const scores = [];
        for (const [place, fill] of chosen.entries()) {
          const curve = await state.engine.curve({
            map,
            fill,
            levels: LEVELS,
            progress: (_, done, total) =>
              report(ticket, (place + done / total) / 2, `deleting by ${label}: ${fillName(fill)}`),
          });
          if (!ticket.alive) return;
          scores.push(curve);
        }
        const [first, second] = chosen.map(fillName);
        const drops = scores.map((curve) => panel.drop(state.target.score, curve.scores[AT_TOP]));
        const text = panel.fillsSentence({ label, k: TOP, name: state.target.name, first, second, drops });
        fillText.textContent = text;
        const series = scores.map((curve, place) => ({
          key: ["first", "second"][place],
          label: [first, second][place],
          shape: ["circle", "square"][place],
          ...curve,
        }));
        const draw = () =>
          fillCurves.replaceChildren(
            chart(
              `Deletion by ${label} under two fills`,
              panel.curveChart({ width: widthOf(fillCurves), series, mark: { level: TOP }, title: text }),
            ),
          );
        state.drawFills = draw;
        draw();
      });
      rescore();
    }

    let width = 0;
    new ResizeObserver(() => {
      if (Math.abs(root.clientWidth - width) < 2) return;
      width = root.clientWidth;
      showCurves();
      if (fillCurves.children.length) state.drawFills?.();
    }).observe(root);

    showStage();
    return state;
  }

  panel.mount = mount;
  if (typeof document !== "undefined") {
    const begin = () => {
      const root = document.getElementById("judge");
      if (root) mount(root, globalThis.segattr.live);
    };
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
    else begin();
  }
}
