// What the panel is built of: elements of the page with their names.
"use strict";
{
  /** An element with attributes and children. A value that is a function listens to the event of that name; true and
   * false set and leave out; what is null or false among the children is left out. */
  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (typeof value === "function") made.addEventListener(name, value);
      else if (value === true) made.setAttribute(name, "");
      else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
    }
    made.append(...children.flat().filter((child) => child !== null && child !== false && child !== undefined));
    return made;
  }

  let numbered = 0;

  function freshId() {
    numbered += 1;
    return `judge-${numbered}`;
  }

  /** A part of the panel under a heading. */
  function section(title, ...children) {
    const id = freshId();
    const heading = element("h2", { id, tabindex: "-1" }, title);
    const made = element("section", { "aria-labelledby": id }, heading, ...children);
    made.heading = heading;
    return made;
  }

  /** One of several, as a group of radio buttons. options: [[value, label]]. */
  function radios(legend, options, chosen, changed) {
    const name = freshId();
    const made = element("fieldset", { class: "judge-choice" }, element("legend", {}, legend));
    for (const [value, label] of options) {
      const checked = value === chosen;
      const input = element("input", { type: "radio", name, value, checked, change: () => changed(value) });
      made.append(element("label", {}, input, element("span", {}, label)));
    }
    made.choose = (value) => {
      for (const input of made.querySelectorAll("input")) input.checked = input.value === value;
    };
    return made;
  }

  /** Something to be set, under its name. name: a text, or elements. */
  function field(name, control) {
    return element("div", { class: "judge-field" }, element("label", { for: control.id }, name), control);
  }

  /** One of several, as a list that folds out. options: [[value, label]]. `offer` of what is made offers others. */
  function dropdown(label, options, chosen, changed) {
    const select = element("select", { id: freshId(), change: () => changed(select.value) });
    const made = field(label, select);
    made.select = select;
    made.offer = (offered, value) => {
      select.replaceChildren(...offered.map(([key, text]) => element("option", { value: key }, text)));
      if (offered.some(([key]) => key === value)) select.value = value;
      return select.value;
    };
    made.offer(options, chosen);
    return made;
  }

  /** Some of several, as boxes. options: [[value, label]]; disabled where there is nothing to choose yet. */
  function boxes(legend, options) {
    const made = element("fieldset", { class: "judge-choice" }, element("legend", {}, legend));
    made.inputs = new Map();
    made.notes = new Map();
    for (const [value, label] of options) {
      const input = element("input", { type: "checkbox", value });
      const note = element("small", {});
      made.inputs.set(value, input);
      made.notes.set(value, note);
      made.append(element("label", {}, input, element("span", {}, label, " ", note)));
    }
    return made;
  }

  /** A table of texts; on a narrow screen each cell bears the name of its column. */
  function table(caption, heads, rows) {
    const body = rows.map((row) =>
      element(
        "tr",
        {},
        element("th", { scope: "row" }, row[0]),
        row.slice(1).map((cell, place) => element("td", { "data-label": heads[place + 1] }, cell)),
      ),
    );
    return element(
      "table",
      { class: "judge-table" },
      element("caption", {}, caption),
      element("thead", {}, element("tr", {}, heads.map((head) => element("th", { scope: "col" }, head)))),
      element("tbody", {}, body),
    );
  }

  const parts = { element, freshId, section, field, radios, dropdown, boxes, table };
  globalThis.segattr.panel = Object.assign(globalThis.segattr.panel, parts);
}
