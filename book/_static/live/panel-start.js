// Before and after the work: which model, what it costs to load, Start, and the way back.
"use strict";
{
  const { panel } = globalThis.segattr;
  const { element, section, radios } = panel;

  function entranceOf(page) {
    const { live, state, parts } = page;
    parts.size = element("p", {});
    const starting = element("button", { type: "button", class: "judge-main", click: () => start(page) }, "Start");
    const models = radios(
      "Model",
      live.models.map((entry) => [entry.id, `${entry.title} (${panel.megabytes(entry.megabytes)})`]),
      state.model.id,
      (id) => {
        state.model = live.models.find((entry) => entry.id === id);
        sayModel(page);
      },
    );
    parts.entrance = section("Start", models, parts.size, starting);
    sayModel(page);
    return parts.entrance;
  }

  function sayModel({ state, parts }) {
    const { classes, kind, megabytes } = state.model;
    const knows =
      kind === "classifier"
        ? `It says which of ${classes.length} things a picture is of, and not where.`
        : `It knows ${panel.listed(classes.slice(1))}.`;
    parts.size.textContent =
      `Start loads ${panel.megabytes(megabytes)} from this book, once; the model then runs in this page, ` +
      `without a server. ${knows}`;
  }

  async function start(page) {
    const { live, state, parts } = page;
    const { model } = state;
    await panel.job(page, "loading", async (ticket) => {
      const progress = (share, text) => panel.report(page, ticket, share, text);
      const engine = await live.open(model.id, { progress });
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
      panel.offerPictures(page, offered);
      parts.entrance.hidden = true;
      parts.work.hidden = false;
    });
    if (!state.engine) return;
    parts.pictures.heading.focus();
    parts.thumbs.querySelector("button")?.click();
  }

  function leavingOf(page) {
    const leaving = element("button", { type: "button", click: () => leave(page) }, "Choose another model");
    return element("p", {}, leaving);
  }

  function leave(page) {
    const { state, parts } = page;
    panel.cancel(page);
    state.engine?.close();
    state.engine = null;
    panel.forget(page);
    parts.work.hidden = true;
    parts.entrance.hidden = false;
    parts.entrance.heading.focus();
  }

  globalThis.segattr.panel = Object.assign(panel, { entranceOf, leavingOf });
}
