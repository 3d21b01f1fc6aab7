// What the panel says: numbers as text, and sentences made from numbers. Pure functions; no page is needed.
"use strict";
{
  const LEVEL = 0.05; // below which a p value counts as more than chance, as in the book

  /** A share in [0, 1] as "32%"; what rounds to 0 or 1 without being it is said so. */
  function percent(share) {
    if (!Number.isFinite(share)) return "no value";
    const rounded = Math.round(share * 100);
    if (rounded === 0 && share > 0) return "under 1%";
    if (rounded === 100 && share < 1) return "over 99%";
    return `${Object.is(rounded, -0) ? 0 : rounded}%`;
  }

  /** A number with this many digits after the point, a true minus before it; "–" for none. */
  function decimal(value, digits = 2) {
    if (!Number.isFinite(value)) return "–";
    const text = Math.abs(value).toFixed(digits);
    return Number(text) !== 0 && value < 0 ? `−${text}` : text;
  }

  /** A p value as "p = 0.02" or "p < 0.01". */
  function pValue(p) {
    if (!Number.isFinite(p)) return "p unknown";
    return p < 0.01 ? "p < 0.01" : `p = ${decimal(p)}`;
  }

  function megabytes(size) {
    return `${size < 10 ? decimal(size, 1) : Math.round(size)} MB`;
  }

  /** Texts as a list in a sentence. */
  function listed(texts) {
    if (texts.length < 2) return texts.join("");
    return `${texts.slice(0, -1).join(", ")} and ${texts[texts.length - 1]}`;
  }

  function capital(text) {
    return text.charAt(0).toUpperCase() + text.slice(1);
  }

  /** The relative loss of a score, (before - after) / |before|, as TDD has it. */
  function drop(before, after) {
    return (before - after) / (Math.abs(before) + 1e-6);
  }

  /** What a deletion does to a score: "costs 32% of the score", "costs none of the score", "raises the score by 4%". */
  function costs(share, what = "the score") {
    if (!Number.isFinite(share)) return `has no value for ${what}`;
    if (Math.abs(share) < 0.005) return `costs none of ${what}`;
    return share > 0 ? `costs ${percent(share)} of ${what}` : `raises ${what} by ${percent(-share)}`;
  }

  /** What a model sees: its classes, the largest first; nearest, the class that came nearest where it sees none. */
  function seenSentence(classes, nearest) {
    if (!classes.length) {
      const near = nearest ? `; nearest came "${nearest.name}", of probability ${decimal(nearest.probability)}` : "";
      return `The model sees none of the things it knows on this picture${near}. Choose another.`;
    }
    const parts = classes.map(
      (region) =>
        `${region.name} (${percent(region.share)} of the picture, mean probability ${decimal(region.probability)})`,
    );
    return `The model sees ${listed(parts)}.`;
  }

  /** What a classifier takes a picture for: its best few classes, the most probable first. */
  function takenForSentence(classes) {
    const parts = classes.map(({ name, probability }) => `${name} (probability ${decimal(probability)})`);
    return `The most probable of the classes that the model knows: ${listed(parts)}.`;
  }

  /** The target of a classifier, which has no region. */
  function wholeSentence(label, score) {
    const meaning = "the probability of that class";
    return `The target is the whole picture, as ${label}. Its score, ${meaning}, is ${decimal(score)}.`;
  }

  function targetSentence(label, name, score) {
    const meaning = `the mean probability of "${name}" over it`;
    return `The target is outlined: ${label}. Its score, ${meaning}, is ${decimal(score)}.`;
  }

  /** How a region that a model sees meets the true one, where that is known; with a space before it, or nothing.
   * truth: a picture whose red is the true class of each pixel. */
  function truthSentence({ class_id, mask, name }, truth) {
    if (!truth || truth.width * truth.height !== mask.length) return "";
    let both = 0;
    let wide = 0;
    let whole = 0;
    for (let place = 0; place < mask.length; place += 1) {
      const truly = truth.data[place * 4] === class_id;
      whole += truly ? 1 : 0;
      if (mask[place]) {
        both += truly ? 1 : 0;
        wide += truly ? 0 : 1;
      }
    }
    if (!whole) return ` The truth of this scene is known, and no ${name} is in it.`;
    const beyond = wide ? `; ${percent(wide / (both + wide))} of it lies elsewhere` : "";
    return ` The truth of this scene is known: the target holds ${percent(both / whole)} of the true ${name}${beyond}.`;
  }

  /** What is left of the score without a selection. inTarget, elsewhere: the shares of the target and of the rest that
   * are gone. */
  function withoutSentence({ name, before, after, inTarget, elsewhere }) {
    if (!inTarget && !elsewhere) return `Nothing is taken away: the score of the ${name} is ${decimal(before)}.`;
    const gone = [];
    if (inTarget) gone.push(`${percent(inTarget)} of the ${name}`);
    if (elsewhere) gone.push(`${percent(elsewhere)} of what is around it`);
    const whole = `Without ${listed(gone)} the score is ${decimal(after)} instead of ${decimal(before)}`;
    const lost = drop(before, after);
    if (Math.abs(lost) < 0.005) return `${whole}: nothing is lost.`;
    return lost > 0 ? `${whole}: ${percent(lost)} of it is lost.` : `${whole}: it rose by ${percent(-lost)}.`;
  }

  function deletedSentence({ name, label, level, before, after }) {
    if (!level) return `Nothing is deleted: the score of the ${name} is ${decimal(before)}.`;
    const what = level >= 1 ? `all of the ${name}` : `the top ${percent(level)} of the ${name} by ${label}`;
    const scores = `the score is ${decimal(after)} instead of ${decimal(before)}`;
    return `Without ${what} ${scores}: deleting it ${costs(drop(before, after))}.`;
  }

  function explainedSentence({ label, passes, seconds }) {
    return `${capital(label)} is made: ${passes} passes of the model in ${decimal(seconds, 1)} seconds.`;
  }

  /** Share k of a region in words. */
  function topShare(k) {
    const words = { 0.1: "tenth", 0.2: "fifth", 0.25: "quarter", 0.5: "half" };
    return words[k] ? `the top ${words[k]}` : `the top ${percent(k)}`;
  }

  /** What one map came to: TDD and what chance earns, and whether the one is more than the other. */
  function judgedSentence({ name, label, k, tdd, expected, p }) {
    const start = `Deleting ${topShare(k)} of the ${name} by ${label} ${costs(tdd, "its score")}`;
    const chance = `${percent(Math.max(expected, 0))} by chance, ${pValue(p)}`;
    if (p < LEVEL && tdd > expected) {
      return `${start} (${chance}): more than a blind selection as large and as ragged.`;
    }
    return `${start} (${chance}): no more than a blind selection as large and as ragged, which shows nothing.`;
  }

  function fillsSentence({ label, k, name, first, second, drops }) {
    const apart = Math.abs(drops[0] - drops[1]);
    const start =
      `Deleting ${topShare(k)} of the ${name} by ${label} ${costs(drops[0])} where ${first} takes its place, ` +
      `and ${costs(drops[1])} where ${second} does`;
    return apart < 0.05
      ? `${start}: on this picture the fill hardly matters.`
      : `${start}: the same map, and the fill alone makes a difference of ${percent(apart)} of the score.`;
  }

  /** Holm's adjustment of p values, those that are not numbers left as they are. */
  function holm(values) {
    const places = values.map((_, place) => place).filter((place) => Number.isFinite(values[place]));
    places.sort((left, right) => values[left] - values[right]);
    const adjusted = [...values];
    let highest = 0;
    places.forEach((place, rank) => {
      highest = Math.max(highest, Math.min(1, (places.length - rank) * values[place]));
      adjusted[place] = highest;
    });
    return adjusted;
  }

  /** One sentence of whatever was thrown. */
  function errorSentence(error) {
    const text = String((error && error.message) || error || "").split("\n")[0].trim();
    if (!text) return "Something went wrong, and the browser does not say what; reload the page and start again.";
    return /[.!?]$/.test(text) ? text : `${text}.`;
  }

  globalThis.segattr ??= {};
  globalThis.segattr.panel = Object.assign(globalThis.segattr.panel ?? {}, {
    LEVEL,
    percent,
    decimal,
    pValue,
    megabytes,
    listed,
    capital,
    drop,
    costs,
    seenSentence,
    takenForSentence,
    wholeSentence,
    targetSentence,
    truthSentence,
    withoutSentence,
    deletedSentence,
    explainedSentence,
    topShare,
    judgedSentence,
    fillsSentence,
    holm,
    errorSentence,
  });
}
