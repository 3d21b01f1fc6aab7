/* The live model in the page: what the panel of "Judge a map yourself" is written against.

A page loads two classic scripts, in either order, and everything else is loaded when `open` is called:

    <script src="_static/live/engine.js"></script>
    <script src="_static/vendor/live/models.js"></script>     made by `make vendor`, where npm is

Pictures are {width, height, data}: 8-bit RGBA, row-major, as a canvas' ImageData. A mask or selection is a Uint8Array
of H*W, not 0 where selected, row-major; a map is a Float32Array of H*W. H and W are those of the picture as the model
sees it, which `look` gives. fill is "mean", "blur" or "zeros".

segattr.live.models              [{id, title, kind, megabytes, size, classes, credit}]: kind "segmenter" or
                                 "classifier"; megabytes are all that `open` and `pictures` load, size the px of the long side of
                                 what the model sees, classes the names of its classes by id, 0 of a segmenter the
                                 background. [] where the live model is not part of this build:
segattr.live.absent              says so in one sentence; "" where it is part
segattr.live.pictures(model_id)  Promise<[{id, title, credit, shows, source, truth}]>: pictures to begin with. source:
                                 a data: URI of what the model sees of it, for <img> and `pixels`; shows: its text for
                                 those who cannot see it; truth: a data: URI whose red is the id of the true class of
                                 each pixel, null where it is not known
segattr.live.pixels(image)       Promise<picture> of a Blob (File, clipboard) or a data: URI, upright
segattr.live.rgba(rgb)           Uint8ClampedArray of RGBA, opaque, for ImageData
segattr.live.noise(count, seed)  Float32Array in [0,1): a map of random pixels
segattr.live.partAt(labels, height, width, row, column)
                                 mask of the connected part of one label that holds this pixel, over edges and corners
                                 (noise and partAt: from chance.js and regions.js, which `open` loads)
segattr.live.open(model_id, {progress(fraction, text)})
                                 Promise<engine>

engine.about                     the model's own entry of `models`
engine.look(picture)             Promise<{height, width, rgb, labels, classes, regions, nearest}>
                                 rgb: Uint8Array H*W*3, what the model sees; labels: Uint8Array H*W, class ids;
                                 classes: all pixels of each class but the background, the largest first;
                                 regions: their connected parts of at least a thousandth of the picture, likewise;
                                 both [{class_id, name, share, probability, mask}], share of the picture and mean
                                 probability in [0,1]; nearest: {class_id, name, probability} where nothing is seen,
                                 the class that came nearest, else null. Of a classifier the whole picture is the
                                 region of every class: labels are 0, and classes and regions its best few
engine.target({class_id, mask})  Promise<{score}>: what is explained from here on; score: s(x), the mean probability of
                                 the class over the mask. Asked for after every `look`
engine.without(selection, fill)  Promise<{score, rgb}> of the picture with the selected pixels filled
engine.explain({method, grid, budget, fill, progress(map, done, total)})
                                 Promise<{map, passes}>: method "ria" (grid x grid cells, 14 if not given) or
                                 "adaptive_ria" (budget passes, 49 if not given); map in [0,1]. The map of progress is
                                 NaN where nothing is known yet
engine.curve({map, fill, levels, progress(scores, done, total)})
                                 Promise<{levels, scores}>: s(x) without the top share of the target by the map, for
                                 each level, a share in [0,1] (0, .1, ... 1 if not given). scores of progress: NaN
                                 where not known yet
engine.tdd({map, k, fill})       Promise<number>: target deletion drop, (s(x) - s(x without the top k)) / s(x)
engine.null({map, draws, k, fill, progress(done, total)})
                                 Promise<{values, grain, own, expected, excess, p}>: what blind selections of the same
                                 size earn. values: Float32Array, the TDD of each draw (86 if not given); grain: its
                                 border length in px a selected pixel; own: {value, grain} of the map; expected: the
                                 fit at the map's own grain; excess: own.value - expected; p: the share of draws (and
                                 the map) whose excess is at least as high. The draws of a target, fill and k are
                                 scored when they are first asked for and then serve every map
engine.logits()                  Promise<Float32Array C*H*W, of a classifier C>: what the model answered to the picture,
                                 class after class
engine.cancel()                  drops what is going on
engine.close()                   ends the model and gives its memory back

A request goes on alone: a newer one, or `cancel`, supersedes it, whatever both ask for, and its promise rejects with an
Error whose name is "Superseded". No answer and no progress of a superseded request arrives. Every other Error's message
is one sentence for the reader. */

(function engine() {
  "use strict";
  const live = ((globalThis.segattr ??= {}).live ??= {});
  const folder = globalThis.document?.currentScript ? new URL(".", document.currentScript.src).href : "";
  const MODULES = ["resize", "regions", "fills", "selection", "cells", "adaptive", "chance", "answers", "explainer",
    "session", "worker"];  // files of this folder; each leaves its function in live.sources, of which the Worker is made
  const STARTED = 0.8;  // of the progress, when everything is loaded

  live.models ??= [];
  live.sources ??= {};
  live.assets ??= {};
  Object.defineProperty(live, "absent", {
    configurable: true,
    get: () => live.models.length ? "" : "The live model is not part of this build of the book: what runs it could "
      + "not be fetched when the book was built.",
  });

  /* Loads the files that answer requests, those that are not there yet. */
  live.modules = async function modules() {
    for (const name of MODULES) {
      if (!live.sources[name]) await script(`${folder}${name}.js`);
    }
  };

  live.open = async function open(modelId, { progress = () => {} } = {}) {
    const about = live.models.find((model) => model.id === modelId);
    if (!about) {
      const ids = live.models.map((model) => model.id).join(", ");
      throw new Error(live.absent || `There is no live model ${modelId}; choose ${ids}.`);
    }
    if (typeof DecompressionStream === "undefined" || typeof Worker === "undefined") {
      throw new Error("This browser is too old for the live model; any of 2023 or later runs it.");
    }
    await live.modules();
    const total = about.files.reduce((sum, file) => sum + file.bytes, 0);
    const files = {};
    let loaded = 0;
    for (const { name, what, bytes } of about.files) {
      progress(STARTED * loaded / total, `loading ${what}`);
      files[name] = await asset(name);
      loaded += bytes;
    }
    progress(STARTED, "starting the model");
    const worker = workerOf(files.ort);
    const { engine, ask } = live.connected(worker, about, () => worker.terminate());
    try {
      await ask("open", {
        model: files[about.id],
        wasm: files["ort-wasm"],
        glue: files["ort-glue"],
        size: about.size,
        classes: about.classes,
        kind: about.kind,
      });
    } catch (error) {
      engine.close();
      throw error;
    }
    progress(1, "ready");
    return engine;
  };

  /* {engine, ask}: the engine at the other end of a port, a Worker or a MessagePort at whose other end `live.serve`
   * answers; ask(kind, request, progress) is what its methods are made of. */
  live.connected = function connected(port, about, close) {
    let pending = null;
    let latest = 0;
    let [look, target] = [0, 0];  // the requests whose answers the reader has
    let ended = "";

    function settle(how) {
      const settled = pending;
      pending = null;
      if (settled) how(settled);
    }

    function ask(kind, request, progress) {
      settle(({ reject }) => reject(superseded()));
      if (ended) return Promise.reject(new Error(ended));
      latest += 1;
      const id = latest;
      return new Promise((resolve, reject) => {
        pending = { id, kind, resolve, reject, progress };
        port.postMessage({ id, kind, request, look, target });
      });
    }

    const answered = (value) => ({ id, kind, resolve }) => {
      if (kind === "look") [look, target] = [id, 0];
      if (kind === "target") target = id;
      resolve(value);
    };

    port.onmessage = ({ data }) => {
      if (!pending || data.id !== pending.id) return;  // of a request that was superseded: it is not for the reader
      if (data.kind === "progress") pending.progress?.(...data.values);
      else if (data.kind === "answer") settle(answered(data.value));
      else settle(({ reject }) => reject(new Error(data.message)));
    };
    port.onerror = () => {
      ended ||= "The live model has stopped, perhaps for want of memory; start it again.";
      settle(({ reject }) => reject(new Error(ended)));
    };

    const withProgress = (kind) => ({ progress, ...request } = {}) => ask(kind, request, progress);
    const engine = {
      about,
      look: ({ width, height, data }) => ask("look", { width, height, data }),
      target: ({ class_id, mask }) => ask("target", { class_id, mask }),
      without: (selection, fill) => ask("without", { selection, fill }),
      explain: withProgress("explain"),
      curve: withProgress("curve"),
      tdd: withProgress("tdd"),
      null: withProgress("null"),
      logits: () => ask("logits"),
      cancel() {
        settle(({ reject }) => reject(superseded()));
        if (!ended) port.postMessage({ id: 0, kind: "cancel" });
      },
      close() {
        settle(({ reject }) => reject(superseded()));
        ended ||= "The live model was closed; start it again.";
        close();
      },
    };
    return { engine, ask };
  };

  function superseded() {
    const error = new Error("A newer request took the place of this one.");
    error.name = "Superseded";
    return error;
  }

  /* A Worker from a file page may not load a file: it is a blob of ONNX Runtime's text and of the modules' own. */
  function workerOf(runtime) {
    const modules = MODULES.map((name) => `(${live.sources[name]})();\n`);
    const blob = new Blob([runtime, "\n", ...modules, "segattr.live.serve(self, segattr.live.opened);\n"]);
    const address = URL.createObjectURL(blob);
    const worker = new Worker(address);
    worker.addEventListener("message", () => URL.revokeObjectURL(address), { once: true });
    return worker;
  }

  function script(address) {
    return new Promise((resolve, reject) => {
      const element = document.createElement("script");
      element.src = address;
      element.onload = resolve;
      element.onerror = () => reject(new Error(`${decodeURI(address)} cannot be loaded; it belongs to the book's own `
        + "folder _static, which must be whole."));
      document.head.append(element);
    });
  }

  const compressed = new Map();  // what scripts brought, kept for the next model that needs it

  /* The bytes that a script of vendor/live holds as base64 of gzip: a file page may load scripts and nothing else. */
  async function asset(name) {
    if (!compressed.has(name)) {
      await script(`${folder}../vendor/live/${name}.js`);
      compressed.set(name, Uint8Array.from(atob(live.assets[name]), (letter) => letter.charCodeAt(0)));
      delete live.assets[name];
    }
    const inflated = new Blob([compressed.get(name)]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(inflated).arrayBuffer());
  }

  live.pictures = async function pictures(modelId) {
    if (!live.models.length) return [];
    live.shown ??= {};
    if (!live.shown[modelId]) await script(`${folder}../vendor/live/pictures-${modelId}.js`);
    return live.shown[modelId];
  };

  live.pixels = async function pixels(image) {
    const bytes = typeof image === "string" ? bytesOf(image) : image;
    let bitmap;
    try {
      bitmap = await createImageBitmap(bytes, {
        imageOrientation: "from-image", colorSpaceConversion: "none", premultiplyAlpha: "none",
      });
    } catch {
      throw new Error("This is no picture that the browser can read; choose a JPEG, PNG or WebP file.");
    }
    const { width, height } = bitmap;
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    if (!context) throw new Error(`The picture, ${width} x ${height} px, is too large for this browser; shrink it.`);
    context.drawImage(bitmap, 0, 0);
    bitmap.close();
    return { width, height, data: context.getImageData(0, 0, width, height).data };
  };

  function bytesOf(uri) {
    const [about, content] = uri.split(",");
    const letters = atob(content);
    const type = about.slice("data:".length).split(";")[0];
    return new Blob([Uint8Array.from(letters, (letter) => letter.charCodeAt(0))], { type });
  }

  live.rgba = function rgba(rgb) {
    const data = new Uint8ClampedArray(rgb.length / 3 * 4).fill(255);
    for (let from = 0, to = 0; from < rgb.length; from += 3, to += 4) data.set(rgb.subarray(from, from + 3), to);
    return data;
  };
})();
