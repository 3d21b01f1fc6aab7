// Which picture: the book's own, a file, one that is dropped, or the clipboard's. All that was of the last one goes.
"use strict";
{
  const { panel } = globalThis.segattr;
  const { element, section } = panel;

  function picturesOf(page) {
    const { parts } = page;
    parts.thumbs = element("div", { class: "judge-thumbs", role: "group", "aria-label": "Pictures of the book" });
    parts.file = element("input", {
      type: "file",
      accept: "image/*",
      class: "judge-file",
      change: () => fromFiles(page, parts.file.files),
    });
    const pasting = element("button", { type: "button", click: () => fromClipboard(page) }, "Paste a picture");
    if (!navigator.clipboard?.read) pasting.hidden = true;
    parts.pictures = section(
      "Picture",
      parts.thumbs,
      element(
        "div",
        { class: "judge-row" },
        element("label", { class: "judge-button" }, parts.file, "Your own picture"),
        pasting,
      ),
      element(
        "p",
        { class: "judge-hint" },
        "Or drop one here, or paste it. Your picture never leaves this page: " +
          "the model runs in it, and nothing is sent.",
      ),
    );
    return parts.pictures;
  }

  function offerPictures(page, offered) {
    page.parts.thumbs.replaceChildren(...offered.map((each) => thumb(page, each)));
  }

  function thumb(page, offered) {
    const image = element("img", { src: offered.source, alt: offered.shows || offered.title, class: "dark-light" });
    const click = () => look(page, offered.source, offered);
    const about = { type: "button", "aria-pressed": "false", title: offered.title, click };
    const made = element("button", about, image);
    made.source = offered.source;
    return made;
  }

  function fromFiles(page, files) {
    const chosen = [...(files ?? [])];
    const picture = chosen.find((each) => each.type.startsWith("image/")) ?? chosen[0];
    if (!picture) return;
    panel.cancel(page);
    look(page, picture, { title: picture.name, credit: "", shows: "your own picture", truth: null });
    page.parts.file.value = "";
  }

  async function fromClipboard(page) {
    const { problem } = page.parts;
    problem.textContent = "";
    try {
      for (const item of await navigator.clipboard.read()) {
        const kind = item.types.find((type) => type.startsWith("image/"));
        if (kind) return fromFiles(page, [new File([await item.getType(kind)], "the pasted picture", { type: kind })]);
      }
      problem.textContent = "There is no picture in the clipboard; copy one and paste again.";
    } catch {
      problem.textContent = "This browser does not let the page read the clipboard; press Ctrl+V instead.";
    }
    return null;
  }

  /** Take pictures that are dropped on the panel or pasted on the page, once a model is there. */
  function heedPictures(page) {
    const { root, state } = page;
    root.addEventListener("dragover", (event) => event.preventDefault());
    root.addEventListener("drop", (event) => {
      event.preventDefault();
      if (state.engine) fromFiles(page, event.dataTransfer.files);
    });
    document.addEventListener("paste", (event) => {
      if (state.engine && event.clipboardData?.files.length) fromFiles(page, event.clipboardData.files);
    });
  }

  /** Let go of all that was of the last picture, and show none of it. */
  function forget(page) {
    const { state, parts } = page;
    Object.assign(state, panel.nothingSeen(state.version + 1));
    const { seenText, targetText, resultText, credit, explainText, fillText, cellText } = parts;
    const sentences = [seenText, targetText, resultText, credit, explainText, fillText, cellText];
    for (const place of sentences) place.textContent = "";
    const { targets, judgeText, curves, numbers, nulls, fillCurves } = parts;
    for (const place of [targets, judgeText, curves, numbers, nulls, fillCurves]) place.replaceChildren();
    for (const canvas of [parts.stage, parts.result]) canvas.width = canvas.height = 0;
    for (const button of parts.thumbs.children) button.setAttribute("aria-pressed", "false");
    panel.offerMaps(page);
  }

  async function look(page, source, about) {
    const { live, state, parts } = page;
    if (state.job) return;
    forget(page);
    for (const button of parts.thumbs.children) button.setAttribute("aria-pressed", String(button.source === source));
    await panel.job(page, "looking at the picture", async (ticket) => {
      const picture = await live.pixels(source);
      const truth = about.truth ? await live.pixels(about.truth) : null;
      if (!ticket.alive) return;
      const seen = await state.engine.look(picture);
      if (!ticket.alive) return;
      const pixels = seen.height * seen.width;
      Object.assign(state, { seen, truth, about, offered: panel.offeredOf(state, seen) });
      state.taken = new Uint8Array(pixels);
      state.strokes = new Float32Array(pixels);
      state.maps.set("random", { map: live.noise(pixels, 1) });
      parts.credit.textContent = about.credit ? `Picture: ${about.credit}.` : "";
      parts.seenText.textContent = panel.isWhole(state)
        ? panel.takenForSentence(seen.classes)
        : panel.seenSentence(seen.classes, seen.nearest);
      panel.showStage(page);
      if (state.offered.length) await panel.aim(page, ticket, state.offered[0]);
    });
    panel.rescore(page);
  }

  globalThis.segattr.panel = Object.assign(panel, { picturesOf, offerPictures, heedPictures, forget });
}
