// One thing at a time: what goes on, its progress bar, how it is cancelled, and what went wrong.
"use strict";
{
  const { panel } = globalThis.segattr;
  const { element } = panel;

  /** The foot of the panel: the sentence about what went wrong, and the bar of what goes on. */
  function footOf(page) {
    const bar = element("progress", { max: "1", value: "0", "aria-label": "Progress" });
    const doing = element("span", { class: "judge-doing" });
    const click = () => cancel(page);
    const cancelling = element("button", { type: "button", class: "judge-cancel", click }, "Cancel");
    const going = element("div", { class: "judge-going", hidden: true }, bar, doing, cancelling);
    const problem = element("p", { class: "judge-error", role: "alert" });
    Object.assign(page.parts, { bar, doing, cancelling, going, problem });
    return element("div", { class: "judge-foot" }, problem, going);
  }

  /** Do some work, the bar shown; what it throws is said, and what was superseded is not. No work begins while
   * another goes on. Gives whether it came to its end. */
  async function job(page, name, steps) {
    const { state, parts } = page;
    if (state.job) return false;
    const ticket = { alive: true };
    state.job = ticket;
    parts.problem.textContent = "";
    report(page, ticket, 0, name);
    busy(page, true);
    try {
      await steps(ticket);
    } catch (error) {
      if (ticket.alive && error.name !== "Superseded") parts.problem.textContent = panel.errorSentence(error);
      ticket.alive = false;
    }
    const finished = ticket.alive;
    if (state.job === ticket) {
      state.job = null;
      busy(page, false);
    }
    return finished;
  }

  /** Say how far the work of a ticket is, while it is wanted. */
  function report({ parts }, ticket, share, text) {
    if (!ticket.alive) return;
    parts.bar.value = share;
    parts.doing.textContent = text;
  }

  function cancel(page) {
    const { state } = page;
    if (!state.job) return;
    state.job.alive = false;
    state.job = null;
    state.unfinished = null;
    state.engine?.cancel();
    busy(page, false);
    panel.showStage(page);
    panel.rescore(page);
  }

  /** While something goes on nothing else can be begun; what was pressed keeps the keyboard's place. */
  function busy(page, on) {
    const { root, parts } = page;
    parts.going.hidden = !on;
    root.setAttribute("aria-busy", String(on));
    for (const control of root.querySelectorAll("button, input, select")) {
      if (control === parts.cancelling) continue;
      if (control === document.activeElement) control.setAttribute("aria-disabled", String(on));
      else control.disabled = on;
      if (!on) {
        control.disabled = false;
        control.removeAttribute("aria-disabled");
      }
    }
    if (!on) panel.offerMaps(page);
  }

  /** Let a press of what is disabled for now do nothing, and Escape cancel. */
  function heedKeys(page) {
    page.root.addEventListener(
      "click",
      (event) => {
        if (event.target.closest?.("[aria-disabled=true]")) {
          event.preventDefault();
          event.stopPropagation();
        }
      },
      true,
    );
    page.root.addEventListener("keydown", (event) => {
      if (event.key === "Escape") cancel(page);
    });
  }

  globalThis.segattr.panel = Object.assign(panel, { footOf, job, report, cancel, heedKeys });
}
