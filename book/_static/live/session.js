/* The model itself, run by ONNX Runtime: pictures in, logits out, on one thread of WebAssembly. */

(function session() {
  "use strict";
  const live = ((globalThis.segattr ??= {}).live ??= {});
  (live.sources ??= {}).session = session;

  /* An explainer on a model. model, wasm and glue: bytes of the ONNX file, of ONNX Runtime's WebAssembly, and of the
   * JavaScript around it. A file page is never isolated from other origins, so there is one thread. */
  live.opened = async function opened({ model, wasm, glue, size, classes, kind }) {
    const { ort } = globalThis;
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmBinary = wasm.buffer;
    ort.env.wasm.wasmPaths = { mjs: URL.createObjectURL(new Blob([glue], { type: "text/javascript" })) };
    ort.env.logLevel = "error";
    const running = await ort.InferenceSession.create(model, { executionProviders: ["wasm"] });

    async function forward(images, count, height, width) {
      const { logits } = await running.run({ images: new ort.Tensor("float32", images, [count, 3, height, width]) });
      const values = logits.data;
      logits.dispose();
      return values;
    }

    return live.explainerOf(forward, { size, classes, kind });
  };
})();
