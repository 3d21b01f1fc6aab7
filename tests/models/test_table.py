"""The table of models: every row can be built as it says, and looking a name up costs nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from segattr_lib.data import DATASETS, load_dataset
from segattr_lib.models import IN_DOMAIN, MODELS, WEIGHTS, names
from segattr_lib.training.suites import SUITES

COPIES = [name for name, entry in MODELS.items() if entry.copy_of]
TRAINED = [name for name, entry in MODELS.items() if entry.trained_on]
OF_OTHERS = [name for name, entry in MODELS.items() if entry.source]


def test_the_table_is_imported_without_torch_and_torchvision():
    code = "import sys, segattr_lib.models; print({name.partition('.')[0] for name in sys.modules})"
    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "segattr_lib" in imported
    assert not any(f"'{heavy}'" in imported for heavy in ("torch", "torchvision", "numpy", "transformers"))


@pytest.mark.parametrize("name", TRAINED)
def test_a_model_that_is_trained_here_is_what_its_row_says(name: str):
    """It answers as its kind does, for the classes of its data set, and has the layers explained by default."""
    entry = MODELS[name]
    torch.manual_seed(0)
    module = entry.build().eval()
    with torch.inference_mode():
        output = module(torch.zeros(1, 3, 64, 64))
    classes = len(load_dataset(entry.trained_on).class_names)
    if entry.kind == "segmenter":
        assert output["out"].shape == (1, classes, 64, 64)
    else:
        assert output.shape == (1, classes)
    assert set(entry.layers) <= {key for key, _ in module.named_modules()}


def test_every_model_that_is_trained_here_has_a_trainer_and_data():
    trainers = {name for suite in SUITES.values() for models in suite.values() for name in models}
    assert {*TRAINED, *COPIES} == trainers - {"shapes_sam2"}  # which is no segmenter on its own: it wants prompts
    assert {MODELS[name].trained_on for name in TRAINED} <= set(DATASETS)


def test_weights_are_shipped_of_models_in_the_table_alone():
    shipped = {path.stem for path in WEIGHTS.glob("*.safetensors")}
    assert shipped <= {*TRAINED, *OF_OTHERS, *COPIES, "shapes_sam2"}
    assert shipped >= {*OF_OTHERS, *COPIES}


def test_a_copy_is_what_its_original_is_but_for_its_weights():
    assert {MODELS[name].copy_of: name for name in COPIES} == IN_DOMAIN
    for name in COPIES:
        entry, original = MODELS[name], MODELS[MODELS[name].copy_of]
        assert (entry.kind, entry.place, entry.layers) == (original.kind, original.place, original.layers)
        assert [*entry.class_names] == [*original.class_names]
        assert entry.stored and not entry.source and not entry.trained_on


def test_every_model_is_of_one_kind():
    assert names() == list(MODELS)
    assert sorted(names("segmenter") + names("classifier")) == sorted(MODELS)
