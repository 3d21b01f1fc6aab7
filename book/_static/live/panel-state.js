// What the panel of "Judge a map yourself" knows: the choices that there are, and the state of one panel.
//
// The functions of the panel's parts take a `page` first: {root, live, state, parts}. root: the element that it stands
// in; live: what engine.js and models.js made; state: see `newState`; parts: the elements that change, by name.
"use strict";
{
  const TOP = 0.2; // the share of the target that a map is judged by
  const LEVELS = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];
  const AT_TOP = LEVELS.indexOf(TOP);
  const FILLS = [["mean", "its mean colour"], ["blur", "a blur of it"], ["zeros", "black"]];
  const MAPS = {
    ria: { label: "RIA", shape: "circle" },
    adaptive_ria: { label: "adaptive RIA", shape: "square" },
    drawn: { label: "your own map", shape: "triangle" },
    random: { label: "random pixels", shape: "cross" },
  };

  function fillName(fill) {
    return FILLS.find(([name]) => name === fill)[1];
  }

  /** The state of a panel on which nothing was done yet. */
  function newState(live) {
    return {
      engine: null,
      model: live.models[0], // of its list, the one that Start opens
      job: null, // what goes on: {alive}
      mode: "target",
      grid: 14,
      budget: 49,
      fill: "mean",
      scoring: false, // whether `rescore` is at it,
      wanted: false, // and is to go on to what was chosen since
      ...nothingSeen(0),
    };
  }

  /** Whether the whole picture is the target, as it is a classifier's, of whichever class. */
  function isWhole({ engine }) {
    return engine?.about.kind === "classifier";
  }

  /** The part of the state that is of one picture. */
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

  const state = { TOP, LEVELS, AT_TOP, FILLS, MAPS, fillName, newState, isWhole, nothingSeen };
  globalThis.segattr.panel = Object.assign(globalThis.segattr.panel, state);
}
