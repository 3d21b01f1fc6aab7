"""The live model in Chromium, from disk and over http, against the library: the same pixels give the same answers."""

from __future__ import annotations

import base64
import functools
import http.server
import io
import json
import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from firefox import Firefox, firefox
from PIL import Image
from playwright.sync_api import Browser, Page

from segattr_lib.attribution.adaptive import adaptive_ria
from segattr_lib.attribution.intervention import ria
from segattr_lib.data import load_dataset
from segattr_lib.data.photographs import available
from segattr_lib.data.regions import read_region
from segattr_lib.data.sample import Sample, as_sample, find_region
from segattr_lib.evaluate import model_score, occluded_scores
from segattr_lib.metrics.deletion import tdd
from segattr_lib.models.loading import load_model, spread
from segattr_lib.models.runtime import prepare
from segattr_lib.perturbation import bind_fill, top_fraction
from segattr_lib.photograph import what_is_seen
from segattr_lib.targets import Target, bind

ROOT = Path(__file__).parent.parent.parent
STATIC = ROOT / "book" / "_static"
PATIENCE = 240_000  # ms; a busy machine is no failure
WITHIN = 1e-4
PHOTOGRAPHS, SCENES, CLASSIFIER = "voc_deeplabv3_mobilenetv2_half", "shapes_lraspp", "imagenet_mobilenet_v2"
GRID, BUDGET, LEVELS, DRAWS = 7, 49, [0.0, 0.1, 0.5, 1.0], 12

PAGE = """<!doctype html><meta charset="utf-8"><title>The live model</title><link rel="icon" href="data:,">
<script src="_static/live/engine.js"></script><script src="_static/vendor/live/models.js"></script>"""

ANSWERS = """async ({ model, source, fill, grid, budget, levels, draws, everything }) => {
  const { live } = segattr;
  const said = [];
  const engine = await live.open(model, { progress: (fraction, text) => said.push([fraction, text]) });
  const picture = await live.pixels(source);
  const seen = await engine.look(picture);
  const [whole] = seen.classes;
  const { score } = await engine.target(whole);
  const drawn = live.noise(seen.height * seen.width, 1);
  const plain = (values) => Array.from(values);
  const adaptive = await engine.explain({ method: "adaptive_ria", budget, fill });
  const answers = {
    said, height: seen.height, width: seen.width, rgb: plain(seen.rgb), labels: plain(seen.labels),
    classes: seen.classes.map(({ mask, ...about }) => about), score, drawn: plain(drawn),
    adaptive: plain(adaptive.map), adaptive_passes: adaptive.passes, mask: plain(whole.mask), class_id: whole.class_id,
    tdd: await engine.tdd({ map: drawn, k: 0.2, fill }),
  };
  if (everything) {
    const partial = [];
    const cells = await engine.explain({ method: "ria", grid, fill,
      progress: (map, done, total) => partial.push([map.filter(Number.isNaN).length, done, total]) });
    const selection = drawn.map((value) => value > 0.7).map(Number);
    const without = await engine.without(Uint8Array.from(selection), fill);
    const curve = await engine.curve({ map: drawn, fill, levels });
    const blind = await engine.null({ map: drawn, draws, k: 0.2, fill });
    Object.assign(answers, {
      logits: plain(await engine.logits()), ria: plain(cells.map), ria_passes: cells.passes, partial,
      without: without.score, without_rgb: plain(without.rgb), selection: plain(selection),
      curve: plain(curve.scores), blind: { ...blind, values: plain(blind.values), grain: plain(blind.grain) },
    });
  }
  engine.close();
  return JSON.stringify(answers);  // playwright takes long over lists
}"""
PIXELS = "async (uri) => JSON.stringify(Array.from((await segattr.live.pixels(uri)).data))"


@dataclass
class Opened:
    """A page, and what it asked for: the addresses of its requests with their methods and bodies."""

    page: Page
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of nothing but the live model's two scripts, beside the book's static files."""
    if not (STATIC / "vendor" / "live" / "models.js").is_file():
        pytest.skip("the live model was not made: `make vendor` does it where npm is present")
    folder = tmp_path_factory.mktemp("live")
    (folder / "index.html").write_text(PAGE, encoding="utf-8")
    (folder / "_static").symlink_to(STATIC)
    return folder


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[str]:
    """The address of the page over http."""

    class Silent(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    handler = functools.partial(Silent, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/index.html"
        server.shutdown()


@pytest.fixture
def opened(browser: Browser, folder: Path) -> Iterator[Opened]:
    """The page from disk, without a network; it fails its test on a script's error."""
    yield from opened_at(browser, (folder / "index.html").as_uri(), offline=True)


def opened_at(browser: Browser, address: str, offline: bool) -> Iterator[Opened]:
    context = browser.new_context(offline=offline)
    context.set_default_timeout(PATIENCE)
    opened = Opened(context.new_page())
    faults: list[str] = []
    opened.page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    opened.page.on("pageerror", lambda error: faults.append(str(error)))
    opened.page.on("request", lambda asked: opened.requests.append((asked.url, asked.method, asked.post_data)))
    opened.page.goto(address)
    yield opened
    context.close()
    assert faults == []


def as_uri(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, format="PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def answers_of(page: Page | Firefox, model: str, source: str, fill: str, everything: bool = True) -> dict[str, Any]:
    settings = {"grid": GRID, "budget": BUDGET, "levels": LEVELS, "draws": DRAWS, "everything": everything}
    return json.loads(page.evaluate(ANSWERS, {"model": model, "source": source, "fill": fill, **settings}))


def agrees(answers: dict[str, Any], model: str, sample: Sample, fill_name: str, everything: bool = True) -> None:
    """Holds what the page said of a picture against what the library says of it."""
    shape = (sample.image.shape[1], sample.image.shape[2])
    assert (answers["height"], answers["width"]) == shape
    rgb = np.array(answers["rgb"], np.uint8).reshape(*shape, 3)
    assert np.array_equal(rgb, (sample.image * 255).round().byte().movedim(0, -1).numpy())

    loaded = load_model(model, shape=shape, explained=False)
    runtime = prepare(loaded.module, shape, "cpu", batch_size=8)
    images = sample.image[None]
    with torch.no_grad():
        logits = loaded.module(runtime.place(images))
    mask = np.array(answers["mask"], bool).reshape(shape)
    if loaded.classifies:
        names_its_best(answers["classes"], logits[0], loaded.class_names)
        class_id = int(logits.argmax())
        assert (answers["class_id"], mask.all()) == (class_id, True)
        loaded = spread(loaded)  # as the library explains a photograph's class
    else:
        labels = logits.argmax(1)[0].numpy()
        assert (np.array(answers["labels"]).reshape(shape) != labels).mean() < 1e-3  # pixels between two classes
        seen, _ = what_is_seen(loaded, runtime, sample.image)
        assert [about["name"] for about in answers["classes"]] == seen["class_name"].tolist()
        for column in ("share", "probability"):
            assert np.allclose([about[column] for about in answers["classes"]], seen[column], atol=1e-3)
        class_id, own = find_region(labels, read_region("frequent"), [], None, complete=True)
        assert (answers["class_id"], (own != mask).mean() < 1e-3) == (class_id, True)
    target = Target(torch.tensor([class_id]), torch.from_numpy(mask)[None])
    score, fill = bind(loaded.module, target), bind_fill(fill_name, images)
    base = model_score(score, images)
    assert abs(answers["score"] - float(base)) < WITHIN
    drawn = torch.tensor(answers["drawn"], dtype=torch.float32).view(1, *shape)
    expected = tdd(score, images, drawn, target, k=0.2, fill=fill, base=base)
    assert abs(answers["tdd"] - float(expected)) < WITHIN
    cells = adaptive_ria(score, images, target, budget=BUDGET, fill=fill_name)
    assert torch.allclose(torch.tensor(answers["adaptive"]).view(1, *shape), cells, atol=WITHIN, rtol=0)
    assert answers["adaptive_passes"] == BUDGET
    if not everything:
        return

    assert torch.allclose(torch.tensor(answers["logits"]).view(logits.shape), logits, atol=WITHIN, rtol=0)
    grid = ria(score, images, target, grid=GRID, fill=fill_name)
    assert torch.allclose(torch.tensor(answers["ria"]).view(1, *shape), grid, atol=WITHIN, rtol=0)
    assert answers["ria_passes"] == GRID**2 + 1
    unknown, done, total = zip(*answers["partial"], strict=True)
    assert unknown[-1] == 0 and list(unknown) == sorted(unknown, reverse=True)
    assert (done[-1], set(total)) == (GRID**2, {GRID**2})
    own_pixel = torch.zeros(1, dtype=torch.long)
    selected = torch.tensor(answers["selection"]).bool().view(1, *shape)
    assert abs(answers["without"] - float(occluded_scores(score, images, selected, own_pixel, fill))) < WITHIN
    filled = np.where(selected[0, ..., None], fill.reference[0].movedim(0, -1) * 255, rgb).round()
    assert np.abs(np.array(answers["without_rgb"]).reshape(*shape, 3) - filled).max() <= 1
    levels = [torch.zeros_like(selected), *(top_fraction(drawn, target.mask, level).pixels for level in LEVELS[1:])]
    curve = occluded_scores(score, images, torch.cat(levels), own_pixel.expand(len(levels)), fill)
    assert torch.allclose(torch.tensor(answers["curve"]), curve, atol=WITHIN, rtol=0)
    assert abs(answers["blind"]["own"]["value"] - float(expected)) < WITHIN
    assert np.isclose(answers["blind"]["excess"], float(expected) - answers["blind"]["expected"], atol=WITHIN)
    assert len(answers["blind"]["values"]) == DRAWS


def names_its_best(told: list[dict[str, Any]], logits: torch.Tensor, names: Sequence[str]) -> None:
    """Holds the classes that the page offers of a classifier against its few most probable ones."""
    best = logits.softmax(0).topk(len(told))
    assert [about["name"] for about in told] == [names[class_id] for class_id in best.indices]
    assert np.allclose([about["probability"] for about in told], best.values, atol=WITHIN)


@pytest.fixture(scope="module")
def photograph() -> tuple[str, Sample]:
    """A photograph as it is, as a data: URI, and as the library resizes it."""
    with Image.open(available()["motorcycle_left"].path) as image:
        picture = image.convert("RGB")
    return as_uri(picture), as_sample(picture, None, "motorcycle_left", 225, proportional=True)


@pytest.mark.slow
def test_a_photograph_gets_the_same_answers_from_disk_as_in_python(opened, photograph):
    source, sample = photograph
    answers = answers_of(opened.page, PHOTOGRAPHS, source, "mean")
    agrees(answers, PHOTOGRAPHS, sample, "mean")
    fractions = [fraction for fraction, _ in answers["said"]]
    assert fractions == sorted(fractions) and fractions[0] == 0 and fractions[-1] == 1


@pytest.mark.slow
def test_a_classifier_gives_the_same_answers_about_a_photograph_as_in_python(opened):
    with Image.open(available()["chelsea"].path) as image:
        picture = image.convert("RGB")
    sample = as_sample(picture, None, "chelsea", 224, proportional=True)
    assert sample.image.shape[1] != sample.image.shape[2]
    agrees(answers_of(opened.page, CLASSIFIER, as_uri(picture), "mean"), CLASSIFIER, sample, "mean")


@pytest.mark.slow
def test_a_scene_gets_the_same_answers_over_http_as_in_python(browser, served):
    sample = load_dataset("shapes").load("test-00001", 224)
    for opened in opened_at(browser, served, offline=False):
        pictures = opened.page.evaluate(f"segattr.live.pictures('{SCENES}')")
        (chosen,) = [picture for picture in pictures if picture["id"] == "test-00001"]
        answers = answers_of(opened.page, SCENES, chosen["source"], "blur", everything=False)
        agrees(answers, SCENES, sample, "blur", everything=False)
        truth = json.loads(opened.page.evaluate(PIXELS, chosen["truth"]))
        assert np.array_equal(np.array(truth).reshape(224, 224, 4)[..., 0], sample.labels.numpy())


@pytest.mark.slow
def test_a_scene_gets_the_same_answers_in_firefox_from_disk(folder, tmp_path):
    executable = next(filter(None, map(shutil.which, ("firefox", "firefox-esr"))), None)
    if executable is None:
        pytest.skip("no firefox on the path")
    sample = load_dataset("shapes").load("test-00002", 224)
    with firefox(executable, tmp_path) as page:
        page.visit((folder / "index.html").as_uri())
        source = as_uri(Image.fromarray((sample.image * 255).round().byte().movedim(0, -1).numpy()))
        answers = answers_of(page, SCENES, source, "mean", everything=False)
    agrees(answers, SCENES, sample, "mean", everything=False)


def test_pictures_to_begin_with_are_what_the_model_sees_of_them(opened):
    pictures = opened.page.evaluate(f"segattr.live.pictures('{PHOTOGRAPHS}')")
    assert [picture["id"] for picture in pictures] == list(available())
    photographs = load_dataset("photographs")
    for picture in pictures:
        assert available()[picture["id"]].credit in picture["credit"]
        sample = photographs.load(picture["id"], 225, proportional=True)
        data = json.loads(opened.page.evaluate(PIXELS, picture["source"]))
        pixels = np.array(data, np.uint8).reshape(*sample.image.shape[1:], 4)
        assert np.array_equal(pixels[..., :3], (sample.image * 255).round().byte().movedim(0, -1).numpy())
        assert (pixels[..., 3] == 255).all()


def test_a_newer_request_supersedes_and_nothing_stale_arrives(opened, photograph):
    said = opened.page.evaluate(
        """async ({ model, source }) => {
          const engine = await segattr.live.open(model);
          const picture = await segattr.live.pixels(source);
          const seen = await engine.look(picture);
          await engine.target(seen.regions[0]);
          const rejected = (promise) => promise.then(() => "answered", (error) => error.name);
          let late = 0;
          let superseded = false;
          const slow = rejected(engine.explain({ method: "ria", grid: 14, progress: () => { late += superseded; } }));
          await new Promise((go) => setTimeout(go, 1500));
          superseded = true;
          const [asked, nothing] = [performance.now(), new Uint8Array(seen.labels.length)];
          const { score } = await engine.without(nothing, "mean");
          const waited = performance.now() - asked;
          const another = rejected(engine.look({ width: 8, height: 8, data: new Uint8ClampedArray(256).fill(255) }));
          engine.cancel();
          const [first, second] = [await slow, await another];
          const again = await engine.without(nothing, "mean");  // of the photograph still: no other was answered
          const unfit = await engine.without(new Uint8Array(5), "mean").catch((error) => error.message);
          engine.close();
          const closed = await engine.look(picture).catch((error) => error.message);
          return { first, second, late, waited, scores: [score, again.score], unfit, closed };
        }""",
        {"model": PHOTOGRAPHS, "source": photograph[0]},
    )
    assert (said["first"], said["second"], said["late"]) == ("Superseded", "Superseded", 0)
    assert said["scores"][0] == said["scores"][1]
    assert said["unfit"].startswith("The selection has 5 pixels; expected ")
    assert said["closed"] == "The live model was closed; start it again."
    assert said["waited"] < 60_000


def test_a_readers_photograph_never_leaves_the_page(browser, served, photograph):
    """Over http, where it could: after Start the page asks for its own scripts, by GET, and then for nothing more."""
    for opened in opened_at(browser, served, offline=False):
        before = len(opened.requests)
        opened.page.evaluate(f"segattr.live.open('{PHOTOGRAPHS}').then((engine) => {{ window.engine = engine; }})")
        started = opened.requests[before:]
        own = [(url, method, body) for url, method, body in started if not url.startswith("blob:")]
        assert own and all(url.startswith(served.removesuffix("index.html") + "_static/") for url, _, _ in own)
        assert {(method, body) for _, method, body in own} == {("GET", None)}
        opened.page.evaluate(
            """async (source) => {
              const seen = await engine.look(await segattr.live.pixels(source));
              await engine.target(seen.regions[0]);
              await engine.tdd({ map: segattr.live.noise(seen.labels.length, 2) });
            }""",
            photograph[0],
        )
        later = opened.requests[before + len(started) :]
        assert [url for url, _, _ in later if not url.startswith("blob:")] == []


def test_a_build_without_the_model_says_so(browser, tmp_path):
    (tmp_path / "index.html").write_text(PAGE.split('<script src="_static/vendor')[0], encoding="utf-8")
    (tmp_path / "_static").symlink_to(STATIC)
    for opened in opened_at(browser, (tmp_path / "index.html").as_uri(), offline=True):
        said = opened.page.evaluate("segattr.live.open('any').catch((error) => error.message)")
        assert said == opened.page.evaluate("segattr.live.absent")
        assert said.startswith("The live model is not part of this build")
