"""Which trainer makes which model, and the command that asks for it."""

from __future__ import annotations

import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

from segattr_lib.__main__ import main
from segattr_lib.models import MODELS
from segattr_lib.training import classifiers, figures, in_domain, sam2, segmenters, suites

EVERY = [
    (name, place) for suite in suites.SUITES.values() for models in suite.values() for name, place in models.items()
]


def test_every_recipe_is_offered_in_the_order_of_training():
    assert list(suites.SUITES["benchmark"]["embedded"]) == list(segmenters.RECIPE)
    assert list(suites.SUITES["arcc"]["embedded"]) == [*classifiers.RECIPE, *figures.RECIPE]
    assert list(suites.SUITES["arcc"]["paper"]) == list(suites.FINETUNED)
    assert list(suites.SUITES["wsss"]["embedded"]) == list(sam2.RECIPE)
    copies = [name for profile in suites.SUITES["in_domain"].values() for name in profile]
    assert set(copies) == set(in_domain.RECIPE)
    names = [name for name, _ in EVERY]
    originals = {name: MODELS[name].copy_of for name in suites.COPIES}
    for name, first in (segmenters.BACKBONE_OF | classifiers.STEM_OF | originals).items():
        assert names.index(first) < names.index(name)  # whose weights it begins with


@pytest.mark.parametrize(("name", "place"), EVERY)
def test_every_place_is_a_function_that_takes_a_name_a_seed_and_a_folder(name: str, place: str):
    assert list(inspect.signature(pkgutil.resolve_name(place)).parameters)[:3] == ["name", "seed", "folder"]


LOADED = "; print('loaded:', *sorted({'torch', 'torchvision', 'transformers', 'numpy'} & set(sys.modules)))"


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("import segattr_lib.training.suites", ""),
        ("main(['train', 'shapes_resnet'])", "did you mean 'shapes_resnet18'"),
        ("main(['train', '--suite', 'arc'])", "did you mean 'arcc'"),
        ("main(['train', '--suite', 'wsss', '--profile', 'paper'])", "nothing to train"),
    ],
)
def test_what_can_be_trained_is_known_without_loading_torch(code: str, complaint: str):
    whole = f"import sys; from segattr_lib.__main__ import main; {code}{LOADED}"
    run = subprocess.run([sys.executable, "-c", whole], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["loaded:"]
    assert complaint in run.stderr


def test_the_train_command_takes_models_suites_and_profiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    asked: list[tuple[str, int, Path]] = []
    for module, function in (
        (segmenters, "train_segmenter"),
        (classifiers, "train_classifier"),
        (classifiers, "fine_tune"),
        (figures, "train_figures"),
        (sam2, "train_sam2"),
        (in_domain, "train_in_domain"),
    ):
        monkeypatch.setattr(module, function, lambda name, seed, folder: asked.append((name, seed, folder)) or {})

    def train(*arguments: str) -> list[str]:
        asked.clear()
        assert main(["train", *arguments, "-o", str(tmp_path)]) == 0
        assert {folder for *_, folder in asked} == {tmp_path}
        return [name for name, *_ in asked]

    assert train("shapes_resnet18", "shapes_fcn", "--seed", "5") == ["shapes_resnet18", "shapes_fcn"]
    assert {seed for _, seed, _ in asked} == {5}
    assert train("--suite", "arcc") == [*classifiers.RECIPE, "figures_resnet"]
    assert train("--suite", "arcc", "--profile", "paper") == list(suites.FINETUNED)
    assert train("--suite", "wsss") == ["shapes_sam2"]
    assert train("--suite", "in_domain", "--profile", "paper") == list(suites.PHOTOGRAPHED)
    of_others = [*segmenters.RECIPE, *classifiers.RECIPE, "figures_resnet"]
    assert train() == [*of_others, *suites.COPIES, "shapes_sam2"]  # copies after their originals
    for arguments, complaint in (
        (["shapes_resnet"], "did you mean 'shapes_resnet18'"),
        (["--suite", "arc"], "did you mean 'arcc'"),
        (["--suite", "benchmark", "--profile", "paper"], "nothing to train"),
    ):
        assert main(["train", *arguments]) == 2
        assert complaint in capsys.readouterr().err
