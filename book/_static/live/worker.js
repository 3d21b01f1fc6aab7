/* The loop that answers requests, in a Worker: one at a time, the newest; what it supersedes stops at its next
 * batch. */

(function worker() {
  "use strict";
  const live = ((globalThis.segattr ??= {}).live ??= {});
  (live.sources ??= {}).worker = worker;

  const SUPERSEDED = Symbol("superseded");

  /* Lets what has arrived be heard. */
  function pause() {
    return new Promise((go) => setTimeout(go));
  }

  function sentenceOf(error) {
    if (error?.name === "Refusal") return error.message;
    const cause = String(error?.message ?? error).split("\n")[0];
    return `The live model failed (${cause}); start it again, and close other pages if memory is short.`;
  }

  /* Answers on a port what `live.connected` asks at its other end. open(request): a promise of an explainer.
   *
   * Requests name the look and the target they are about, the last that were answered: what the worker has seen since,
   * for a request that was superseded, does not count. */
  live.serve = function serve(port, open) {
    let newest = 0;
    let explainer = null;
    let going = Promise.resolve();
    const looks = new Map();  // by the id of the request
    const targets = new Map();

    /* Keeps what a request is about and what it made. */
    function keep(made, ids) {
      for (const id of made.keys()) if (!ids.includes(id)) made.delete(id);
    }

    async function answerOf({ id, kind, request, look, target }, on) {
      if (kind === "open") {
        explainer = await open(request);
        return null;
      }
      if (kind === "look") {
        const { pixels, logits, fills, ...seen } = await explainer.look(request, on);
        keep(looks, [look]);
        looks.set(id, { ...seen, pixels, logits, fills });
        return seen;
      }
      if (kind === "target" || kind === "logits") {
        if (!looks.has(look)) throw live.refusal("There is no picture yet; choose one.");
        if (kind === "logits") return explainer.logits(looks.get(look));
        const aimed = await explainer.target(looks.get(look), request, on);
        keep(targets, [target]);
        targets.set(id, aimed);
        return { score: aimed.score };
      }
      if (!targets.has(target)) throw live.refusal("There is no target yet; choose one.");
      return explainer[kind](targets.get(target), request, on);
    }

    async function answer(message) {
      const { id } = message;
      const on = {
        async proceed() {
          await pause();
          if (id !== newest) throw SUPERSEDED;
        },
        report: (...values) => port.postMessage({ id, kind: "progress", values }),
      };
      try {
        await on.proceed();
        port.postMessage({ id, kind: "answer", value: await answerOf(message, on) });
      } catch (error) {
        if (error !== SUPERSEDED) port.postMessage({ id, kind: "error", message: sentenceOf(error) });
      }
    }

    port.onmessage = ({ data }) => {
      newest = data.id;
      if (data.kind !== "cancel") going = going.then(() => answer(data));
    };
  };
})();
