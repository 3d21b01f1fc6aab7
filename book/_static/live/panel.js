// The panel of "Judge a map yourself": what its reader does, what is asked of the engine, and what is shown of that.
// One thing is asked at a time. Whatever was asked of an earlier picture, target or fill is dropped with it, so that no
// picture, curve or sentence is of anything but what stands beside it. engine.js says what the engine answers.
//
// Here the parts are put together; each is a file of its own: panel-start.js, -picture, -target, -shown, -brush,
// -explain, -judge and -fills hold what the reader does there, in this order, panel-state.js what is known, and
// panel-job.js how work goes on, one thing at a time. panel-parts.js and -stage are the elements of the page, -text,
// -maps, -colours and -chart plain functions without one.
"use strict";
{
  const { panel } = globalThis.segattr;
  const { element } = panel;

  /** Build the panel in an element that holds a static figure, from what engine.js and models.js made of `live`. */
  function mount(root, live) {
    if (!live || live.absent) {
      const note = root.querySelector(".judge-note");
      if (note) note.textContent = live ? live.absent : "The live model is not part of this build of the book.";
      return null;
    }
    const page = { root, live, state: panel.newState(live), parts: {} };
    page.parts.work = element("div", { class: "judge-work", hidden: true });
    page.parts.work.append(
      panel.picturesOf(page),
      panel.shownOf(page),
      panel.lookingOf(page),
      panel.explainingOf(page),
      panel.deletingOf(page),
      panel.comparingOf(page),
      panel.leavingOf(page),
    );
    root.replaceChildren(panel.entranceOf(page), page.parts.work, panel.footOf(page));
    root.classList.add("judge-live");
    panel.heedKeys(page);
    panel.heedPictures(page);
    panel.heedPointing(page);
    redrawWhenResized(page);
    panel.showStage(page);
    return page.state;
  }

  /** Charts are drawn for the width that they have. */
  function redrawWhenResized(page) {
    const { root, state, parts } = page;
    let width = 0;
    new ResizeObserver(() => {
      if (Math.abs(root.clientWidth - width) < 2) return;
      width = root.clientWidth;
      panel.showCurves(page);
      if (parts.fillCurves.children.length) state.drawFills?.();
    }).observe(root);
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
