"""A photograph in, an answer out: what is said is what direct calls give, and whatever fails is a sentence."""

from __future__ import annotations

import doctest
import html
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from null_fits import plain_fit
from PIL import Image

import segattr_lib
from segattr_lib import photograph
from segattr_lib.__main__ import _parser, main
from segattr_lib.attribution.cam import ega
from segattr_lib.data.photographs import available
from segattr_lib.metrics import deletion
from segattr_lib.metrics.null import blind_selections
from segattr_lib.models.loading import load_model
from segattr_lib.models.runtime import prepare
from segattr_lib.perturbation import bind_fill
from segattr_lib.photograph import explain, explain_into, explained, held_against, open_photographs
from segattr_lib.registry import UserError
from segattr_lib.report.explained import Explanation, listed, page
from segattr_lib.seeds import Draws
from segattr_lib.targets import Target, bind

MODEL = '''
import torch
from torch import nn


class Colours(nn.Module):
    """Class 1 where a picture is red, 2 where it is green, 3 where it is blue, else 0; seen through a soft blur."""

    class_names = ["nothing", "red", "green", "blue"]

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 3, 5, 2, 2, groups=3, bias=False), nn.ReLU())
        self.features[0].weight.data.fill_(1 / 25)

    def forward(self, images):
        seen = nn.functional.interpolate(self.features(images), size=images.shape[2:], mode="bilinear")
        return 12 * torch.cat([torch.full_like(seen[:, :1], 0.3), seen - 0.5 * (seen.sum(1, keepdim=True) - seen)], 1)


def colours():
    return Colours().eval()


def upside_down(score, images, target):
    return 1 - images.mean(1)


def broken(score, images, target):
    raise ValueError("no map today")
'''
FEW = {"methods": ["ega", "adaptive_ria(budget=9)"], "size": 48}


@pytest.fixture
def own(tmp_path: Path) -> str:
    """The file with a model and methods of one's own."""
    path = tmp_path / "own.py"
    path.write_text(MODEL, encoding="utf-8")
    return str(path)


@pytest.fixture
def model(own: str) -> dict[str, str]:
    return {"model": f"{own}:colours", "layer": "features"}


def scene(width: int = 96, height: int = 64) -> Image.Image:
    """A red square at the left and a larger green one at the right of a dark, grainy ground."""
    pixels = np.random.default_rng(0).integers(0, 40, (height, width, 3)).astype(np.uint8)
    pixels[20:40, 10:30, 0] = 230
    pixels[10:50, 50:90, 1] = 230
    return Image.fromarray(pixels)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "squares.png"
    scene().save(path)
    return path


def test_the_example_of_the_docstring_is_true():
    assert segattr_lib.explain is photograph.explain
    example = doctest.DocTestFinder().find(photograph.explain, "explain", globs=vars(photograph).copy())
    assert doctest.DocTestRunner().run(example[0]).failed == 0


def test_what_is_said_is_what_direct_calls_give(photo: Path, model: dict[str, str]):
    answer = explain(photo, **FEW, **model)
    image = np.asarray(scene().resize((48, 32), Image.Resampling.BILINEAR))
    images = torch.from_numpy(image.copy()).movedim(2, 0)[None] / 255
    assert torch.equal(answer.image, images[0])
    module = load_model(model["model"], layer="features", kind="segmenter", shape=(32, 48)).module
    prepare(module, (32, 48), batch_size=16)
    probabilities = module(images).softmax(1)[0]
    labels = probabilities.argmax(0)
    assert answer.seen["class_name"].tolist() == ["green", "red"]
    for row in answer.seen.itertuples():
        where = labels == row.class_id
        assert row.share == pytest.approx(float(where.float().mean()))
        assert row.probability == pytest.approx(float(probabilities[row.class_id][where].mean()), abs=1e-6)
    assert answer.class_name == "green"
    assert torch.equal(answer.mask, labels == 2)
    target = Target(torch.tensor([2]), (labels == 2)[None])
    score = bind(module, target)
    maps = ega(score, images, target, layer="features")
    assert torch.allclose(answer.maps["ega"], maps[0], atol=1e-6)
    base = score(images, torch.tensor([0])).detach()
    assert answer.score == pytest.approx(float(base), abs=1e-6)
    asked = {"k": 0.2, "fill": bind_fill("mean", images), "base": base}
    assert answer.scores.loc["ega", "tdd"] == pytest.approx(
        float(deletion.tdd(score, images, maps, target, **asked)), abs=1e-5
    )
    assert answer.scores.loc["ega", "odd_abs"] == pytest.approx(
        abs(float(deletion.odd(score, images, maps, target, **asked))), abs=1e-5
    )


def test_the_null_is_that_of_a_run_drawn_twice_over(photo: Path, model: dict[str, str]):
    """Its first 86 selections are a run's, the other 86 are others, and what they lose is deleted by hand."""
    answer = explain(photo, **FEW, **model)
    region, draws = answer.mask[None], Draws(0, ["squares.png"])
    selected = blind_selections(region, 0.2, draws, repeats=2)[0]
    assert torch.equal(selected[:86], blind_selections(region, 0.2, draws)[0])
    assert not any(torch.equal(first, second) for first, second in zip(selected[:86], selected[86:], strict=True))
    module = load_model(model["model"], layer="features", kind="segmenter", shape=(32, 48)).module
    score = bind(module, Target(torch.tensor([2]), region))
    mean = answer.image.mean((1, 2), keepdim=True)
    with torch.no_grad():
        base = float(score(answer.image[None], torch.tensor([0])))
        for place in (0, 50, 85, 86, 130, 171):
            holed = torch.where(selected[place], mean, answer.image)[None]
            lost = 1 - float(score(holed, torch.tensor([0]))) / base
            assert float(answer.drops[place]) == pytest.approx(lost, abs=1e-5)
    assert len(answer.drops) == len(answer.lengths) == 172


def test_chance_excess_and_p_by_hand():
    """Blind selections that all earn .2 but for three: p counts those whose excess is at least the map's."""
    lengths = torch.linspace(3, 7, 99).exp()
    drops = torch.full((99,), 0.2)
    drops[[10, 50, 90]] = torch.tensor([0.25, 0.3, 0.9])
    scores = {name: {"tdd": tdd, "status": "ok"} for name, tdd in {"high": 2.0, "middle": 0.45, "low": -1.0}.items()}
    scores["tied"] = {"tdd": 2.0, "status": "degenerate"}
    table = held_against(scores, dict.fromkeys(scores, float(lengths[30])), lengths, drops)
    chance = plain_fit(lengths.log().numpy(), drops.numpy(), float(lengths[30].log()))
    assert table["chance"].tolist() == pytest.approx([chance] * 4, abs=1e-6)
    assert table["excess"].tolist() == pytest.approx([2 - chance, 0.45 - chance, -1 - chance, 2 - chance], abs=1e-6)
    assert table.loc[["high", "middle", "low"], "p"].tolist() == [1 / 100, 2 / 100, 1]
    assert np.isnan(table.loc["tied", "p"])


def test_p_of_blind_selections_themselves_is_even():
    """Of draws that are held against the others by themselves, a tenth has a p of at most a tenth."""
    rng = torch.Generator().manual_seed(0)
    lengths = (3 + 4 * torch.rand(200, generator=rng)).exp()
    drops = 0.1 * lengths.log() + 0.05 * torch.randn(200, generator=rng)
    scores = {str(place): {"tdd": float(drops[place]), "status": "ok"} for place in range(200)}
    p = held_against(scores, {str(place): float(lengths[place]) for place in range(200)}, lengths, drops)["p"]
    for level in (0.1, 0.3, 0.5, 0.9):
        assert (p <= level).mean() == pytest.approx(level, abs=0.01)


def test_a_map_leaves_its_null_behind_where_p_and_the_control_say_so(photo: Path, model: dict[str, str]):
    answer = explain(photo, **FEW, **model)
    scores = answer.scores
    smaller = scores["p"].sort_values()
    assert scores.loc[smaller.index[0], "p_holm"] == pytest.approx(min(1, 2 * smaller.iloc[0]))
    expected = (scores["p_holm"] < 0.05) & (scores["excess"] > answer.depth_excess)
    assert scores["beyond"].tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("target", "class_name", "share"),
    [
        ("frequent", "green", 0.26),
        ("largest_component", "green", 0.26),
        ("class=red", "red", 0.065),
        ("point=20,30", "red", 0.065),
        ("box=0,0,45,64", "red", 0.065),
        ("point=0,0", "nothing", 0.65),
    ],
)
def test_a_target_is_named_in_px_of_the_photograph(
    photo: Path, model: dict[str, str], target: str, class_name: str, share: float
):
    answer = explain(photo, target, **FEW, **model)
    assert answer.class_name == class_name
    assert answer.share == pytest.approx(share, abs=0.02)
    assert set(answer.rows["target"]) == {target}
    assert set(answer.rows["region"]) == {"predicted"}


def test_a_photograph_is_shown_as_a_viewer_shows_it(tmp_path: Path, model: dict[str, str]):
    plain = explain(scene(), **FEW, **model)
    turned = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # stored a quarter turn to the left of how it is to be seen
    scene().rotate(90, expand=True).save(turned, exif=exif, quality=100, subsampling=0)
    assert explain(turned, **FEW, **model).image.shape == plain.image.shape
    assert (explain(turned, **FEW, **model).image - plain.image).abs().mean() < 0.02
    clear = tmp_path / "clear.png"
    pixels = np.dstack([np.asarray(scene()), np.full((64, 96), 255, np.uint8)])
    pixels[:5, :, 3] = 0
    Image.fromarray(pixels).save(clear)
    answer = explain(clear, **FEW, **model)
    assert bool((answer.image[:, 0] > 0.99).all())
    assert torch.equal(answer.image[:, 4:], plain.image[:, 4:])
    deep = tmp_path / "deep.png"
    Image.fromarray(np.asarray(scene())[..., 1].astype(np.uint16) * 257).save(deep)
    grey = explain(deep, **FEW, **model)
    assert torch.equal(grey.image[0], grey.image[1])
    assert torch.equal(grey.image[1], plain.image[1])


def test_proportions_are_kept(model: dict[str, str]):
    for width, height in [(96, 64), (64, 96), (200, 20), (50, 50)]:
        shape = explain(
            scene(width=max(width, 92), height=max(height, 52)).resize((width, height)), **FEW, **model
        ).image
        assert max(shape.shape[1:]) == 48
        expected = max(8, round(48 * min(width, height) / max(width, height)))
        assert min(shape.shape[1:]) == expected


def test_where_nothing_is_seen_a_sentence_says_what_came_nearest(tmp_path: Path, model: dict[str, str]):
    path = tmp_path / "dark.png"
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[..., 2] = 40
    Image.fromarray(pixels).save(path)
    answer = explain(path, **FEW, **model)
    assert answer.mask is None and not answer.maps
    nearest, probability = answer.nearest
    assert nearest == "blue"
    assert answer.sentence == (
        f"dark.png: {model['model']} sees nothing but background; it came nearest to blue, with a probability of "
        f"{probability:.2f} at best."
    )
    out = tmp_path / "out"
    arguments = [
        "explain",
        str(path),
        "--model",
        model["model"],
        "-p",
        "layer=features",
        "--size",
        "48",
        "-o",
        str(out),
    ]
    assert main(arguments) == 0
    assert "sees nothing but background" in (out / "index.html").read_text(encoding="utf-8")
    (row,) = pd.read_csv(out / "rows.csv").to_dict("records")
    assert (row["sample_id"], row["status"], row["reason"]) == ("dark.png", "skipped", "there is no object")


def test_a_class_that_is_not_there_is_no_error(photo: Path, model: dict[str, str]):
    answer = explain(photo, "class=blue", **FEW, **model)
    assert re.fullmatch(
        r"squares\.png: no pixel is blue; .*:colours sees green \(\d+%\) and red \(\d+%\)\.", answer.sentence
    )


def made(**scores: tuple[float, float, float, bool]) -> Explanation:
    """An answer without pictures; of each map label: TDD, chance, p and whether it leaves chance behind."""
    table = pd.DataFrame.from_dict(scores, orient="index", columns=["tdd", "chance", "p_holm", "beyond"])
    table["label"] = table.index
    settings = open_photographs([scene()], "frequent", photograph.MODEL, ["gpa"], 48, {}).settings
    return Explanation(
        "a.jpg", settings, torch.zeros(3, 8, 8), pd.DataFrame(), class_name="cat", share=0.25, score=0.9,
        mask=torch.ones(8, 8, dtype=torch.bool), scores=table,
    )  # fmt: skip


def test_the_sentence_is_made_of_the_numbers():
    assert made(A=(0.5, 0.2, 0.012, True), B=(0.7, 0.1, 0.006, True), C=(0.2, 0.2, 0.6, False)).sentence == (
        "a.jpg: cat, 25% of the picture, mean probability 0.90; deleting the top 20% of it costs 70% of that by B (10% "
        "by chance, p = 0.006) and 50% of that by A (20% by chance, p = 0.012); C does not leave chance behind and is "
        "not to be read."
    )
    assert made(A=(0.2, 0.2, 0.6, False), B=(0.1, 0.2, 0.9, False)).sentence == (
        "a.jpg: cat, 25% of the picture, mean probability 0.90; no map leaves chance behind: A and B are not to be "
        "read."
    )
    assert listed(["a"]) == "a" and listed(["a", "b", "c"]) == "a, b and c" and listed([]) == ""


def test_what_is_saved_is_what_was_found(photo: Path, model: dict[str, str], tmp_path: Path):
    answer = explain(photo, **FEW, **model)
    written = answer.save(tmp_path / "out")
    assert written.name == "index.html"
    rows = pd.read_csv(tmp_path / "out/rows.csv")
    for key, row in answer.scores.iterrows():
        method, _, pinned = str(key).partition("(")
        of_map = rows[(rows["method"] == method) & (rows["variant"].fillna("") == pinned.rstrip(")"))]
        value = of_map.set_index("metric")["value"]
        names = {"tdd": "tdd", "odd_abs": "odd_abs", "chance_tdd": "chance", "excess_tdd": "excess", "p": "p"}
        for metric, column in names.items():
            assert value[metric] == pytest.approx(row[column], abs=1e-6), metric
    for ending in ("png", "svg"):
        assert (tmp_path / f"out/squares.explained.{ending}").stat().st_size > 1000
    ElementTree.parse(tmp_path / "out/squares.explained.svg")
    with Image.open(tmp_path / "out/squares.explained.png") as drawn:
        assert drawn.width > 3 * 200


def test_the_page_needs_no_other_file_and_says_all_it_shows(photo: Path, model: dict[str, str]):
    answer = explain(photo, **FEW, **model)
    text = page([answer], answer.rows)
    assert not re.findall(r'(?:src|href)="(?!data:|#)', text)
    pictures = re.findall(r"<img [^>]*>", text)
    assert len(pictures) == 1 + 2 * len(answer.maps)
    alts = [re.search('alt="([^"]+)"', picture)[1] for picture in pictures]
    assert len(set(alts)) == len(alts)
    assert answer.sentence in text
    for row in answer.scores.itertuples():
        assert f'<td data-label="TDD ↑">{row.tdd:.3f}</td>' in text
    assert "$" not in text


def test_a_page_escapes_names(model: dict[str, str]):
    answer = replace(explain(scene(), **FEW, **model), name="<b>&.png")
    assert "<b>&.png" not in page([answer], answer.rows)


def test_a_folder_gives_one_table_and_a_bad_picture_is_a_row(tmp_path: Path, model: dict[str, str], capsys):
    folder = tmp_path / "photos"
    folder.mkdir()
    scene().save(folder / "a.png")
    scene().transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "c.png")
    (folder / "b.jpg").write_bytes(b"no picture")
    own_model = ["--model", model["model"], "-p", "layer=features", "--size", "48", "--methods", "ega", "ria(grid=3)"]
    assert main(["explain", str(folder), *own_model, "-o", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert printed.index("a.png: green") < printed.index("b.jpg") < printed.index("c.png: green")
    assert "2 explained, 1 could not be" in printed
    text = (tmp_path / "out/index.html").read_text(encoding="utf-8")
    assert text.count("<section><h2>") == 3
    assert "All photographs" in text and "b.jpg of photos cannot be read: it is no picture" in text
    rows = pd.read_csv(tmp_path / "out/rows.csv")
    assert rows[rows["sample_id"] == "b.jpg"]["status"].tolist() == ["failed"]
    assert set(rows["variant"].dropna()) == {"grid=3"}


def test_no_photograph_and_no_figure_is_written_over(tmp_path: Path, model: dict[str, str]):
    """Where the answer goes into the photographs' own folder, and two differ in their endings alone."""
    for name in ("a.png", "a.bmp", "b.png"):
        scene().save(tmp_path / name)
    before = {name: (tmp_path / name).read_bytes() for name in ("a.png", "a.bmp", "b.png")}
    explain_into(tmp_path, [tmp_path / name for name in before], methods=["ega"], size=48, **model)
    assert before == {name: (tmp_path / name).read_bytes() for name in before}
    figures = {path.name for path in tmp_path.glob("*.explained.svg")}
    assert figures == {"a.png.explained.svg", "a.bmp.explained.svg", "b.explained.svg"}


def test_answers_and_losses_come_back_by_name(tmp_path: Path, model: dict[str, str]):
    (tmp_path / "b.jpg").write_bytes(b"no picture")
    scene().save(tmp_path / "a.png")
    answers, lost = explain_into(tmp_path / "out", [tmp_path / "a.png", tmp_path / "b.jpg"], **FEW, **model)
    assert [answer.name for answer in answers] == ["a.png"]
    assert list(lost) == ["b.jpg"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere.jpg"], "There is no file or folder 'nowhere.jpg'"),
        (["{photo}", "--target", "class="], "target is 'class='; expected one of frequent"),
        (["{photo}", "--target", "point=1"], "target is 'point=1'; expected point=x,y"),
        (["{photo}", "--methods", "gpaa"], "Unknown method 'gpaa' (did you mean 'gpa'?)"),
        (["{photo}", "--model", "voc_deeplab"], "Unknown model 'voc_deeplab'"),
        (["{photo}", "--size", "4"], "image_size is 4"),
        (["{photo}", "-p", "k=[0.1, 0.2]"], "k is [0.1, 0.2]; a photograph is explained under one value of it."),
        (["{photo}", "-p", "root=here"], "root is no parameter of explain"),
        (["{photo}", "--target", "class=catt"], "Unknown class of the target 'catt' (did you mean 'cat'?)"),
        (["{folder}/empty"], "There is no picture in"),
        (["{folder}/text.txt"], "None of 1 photographs can be explained; the first, text.txt"),
    ],
)
def test_what_cannot_be_had_is_a_sentence(photo: Path, tmp_path: Path, capsys, arguments: list[str], sentence: str):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("no picture", encoding="utf-8")
    filled = [text.format(photo=photo, folder=tmp_path) for text in arguments]
    assert main(["explain", *filled, "-o", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("segattr:") == 1 and "Traceback" not in said


def test_a_picture_over_pillows_limit_is_a_sentence(tmp_path: Path, model: dict[str, str], capsys):
    path = tmp_path / "huge.png"
    Image.new("1", (13_500, 13_500)).save(path)  # 182 million px, in a small file
    arguments = ["explain", str(path), "--model", model["model"], "-p", "layer=features", "-o", str(tmp_path / "out")]
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert "None of 1 photographs can be explained; the first, huge.png" in said
    assert "exceeds limit" in said and "Traceback" not in said


def test_the_command_and_the_function_have_the_same_defaults():
    """The command writes them out, so that a wrong setting is refused before torch is imported."""
    given = vars(_parser().parse_args(["explain", "a.jpg"]))
    assert given["model"] == photograph.MODEL
    assert tuple(given["methods"]) == photograph.METHODS
    assert (given["size"], given["target"]) == (photograph.SIZE, "frequent")


def test_a_python_user_gets_the_same_sentences(tmp_path: Path):
    (tmp_path / "text.jpg").write_text("no picture", encoding="utf-8")
    with pytest.raises(UserError, match=r"'text\.jpg' cannot be explained: .*it is no picture\."):
        explain(tmp_path / "text.jpg")
    with pytest.raises(UserError, match="There is no file or folder"):
        explain(tmp_path / "nowhere.jpg")


def test_a_method_of_ones_own_stands_beside_the_others_and_one_that_raises_says_so(
    photo: Path, own: str, model: dict[str, str]
):
    answer = explain(photo, methods=["ega", f"{own}:upside_down", f"{own}:broken"], size=48, **model)
    assert answer.scores["status"].tolist() == ["ok", "ok", "failed"]
    assert "no map today" in answer.scores.loc[f"{own}:broken", "reason"]
    assert not answer.scores.loc[f"{own}:broken", "beyond"]
    assert torch.equal(answer.maps[f"{own}:upside_down"], 1 - answer.image.mean(0))
    assert "broken" in answer.sentence
    answer.figure()
    page([answer], answer.rows)


def test_a_classifier_explains_the_whole_picture():
    """Its region is the picture, its score the probability of the class, on nothing can it leak."""
    path = available()["coffee"].path
    answer = explain(path, model="imagenet_mobilenet_v2", methods=["gpa"], size=97)
    module = load_model("imagenet_mobilenet_v2", shape=(65, 97)).module
    with torch.no_grad():
        probabilities = module(answer.image[None]).softmax(1)[0]
    assert bool(answer.mask.all()) and answer.share == 1
    assert answer.score == pytest.approx(float(probabilities.max()), abs=1e-5)
    assert answer.seen["class_id"].tolist() == [int(probabilities.argmax())]
    assert np.isnan(answer.scores.loc["gpa", "odd_abs"])
    other = explain(path, "class=cup", model="imagenet_mobilenet_v2", methods=["gpa"], size=97)
    assert other.class_name == "cup"
    assert other.score == pytest.approx(float(probabilities[968]), abs=1e-5)


def test_the_same_settings_give_the_same_answer(photo: Path, model: dict[str, str]):
    first, second = (explain(photo, **FEW, **model) for _ in range(2))
    told = ["tdd", "chance", "excess", "p", "p_holm", "odd_abs"]
    pd.testing.assert_frame_equal(first.scores[told], second.scores[told])
    assert explain(photo, seed=1, **FEW, **model).drops.tolist() != first.drops.tolist()


def test_every_step_is_announced(photo: Path, model: dict[str, str]):
    steps: list[str] = []
    opened = open_photographs([photo], "frequent", model["model"], ["ega", "gpa"], 48, {"layer": "features"})
    explained(opened, opened.prepared(model["model"]), "squares.png", steps.append)
    assert steps == ["the model", "EGA", "GPA", "depth", "blind selections"]
    assert len(steps) == photograph.STEPS + 2


@pytest.mark.slow
@pytest.mark.parametrize("name", list(available()))
def test_every_photograph_that_a_package_brings_is_explained(name: str, tmp_path: Path):
    """With its credit under the picture; on those of a launch and a palace the model sees nothing."""
    photo = available()[name]
    answer = explain(photo.path, model="voc_deeplabv3_mobilenetv2_half", size=225, methods=["gpa", "adaptive_ria"])
    answer.save(tmp_path)
    assert html.escape(photo.credit) in (tmp_path / "index.html").read_text(encoding="utf-8")
    assert (answer.mask is None) == (name in ("rocket", "china"))
    if answer.mask is not None:
        assert (answer.scores["status"] == "ok").all()


def test_workers_are_refused_where_none_would_work():
    with pytest.raises(UserError, match="workers is 2; photographs are explained in this process"):
        explain(Image.new("RGB", (40, 40)), size=32, workers=2)
