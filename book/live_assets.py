"""Make what the live model in the page loads, in book/_static/vendor/live: scripts, since a page that is read from disk
may load nothing else.

    .venv/bin/python book/live_assets.py

ONNX Runtime comes from the npm registry, pinned as vendor.py pins, the models and pictures from the library. Each
script holds one file as base64 of gzip; models.js lists them. Without npm there is none, and the page says so.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import shutil
import sys
from pathlib import Path

BOOK = Path(__file__).parent
LIBRARY = BOOK.parent / "segattr_lib"
LIVE = BOOK / "_static" / "vendor" / "live"
LIST = LIVE / "models.js"
RUNTIME = "onnxruntime-web@1.30.0"
SHA512 = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
RUNTIME_FILES = {  # name of the script: the file of the package, and what it is called while it loads
    "ort": ("package/dist/ort.wasm.min.js", "ONNX Runtime"),
    "ort-glue": ("package/dist/ort-wasm-simd-threaded.mjs", "ONNX Runtime"),
    "ort-wasm": ("package/dist/ort-wasm-simd-threaded.wasm", "ONNX Runtime"),
}
RUNTIME_NOTICE = f"{RUNTIME}, copyright (c) Microsoft Corporation, under the MIT License"
OURS = "trained by this project"
CORAL = "weights from google-coral/test_data, under the Apache License 2.0"
MODELS = {  # name of the library: title, data set of its pictures, px of the long side, whose it is
    "voc_deeplabv3_mobilenetv2_half": (
        "DeepLabV3 on a MobileNetV2 of half width: photographs, 20 classes",
        "photographs",
        225,  # a multiple of 16, plus 1, is what it was trained on
        CORAL,
    ),
    "shapes_lraspp": ("LRASPP on a small MobileNetV3: generated scenes, 6 shapes", "shapes", 224, OURS),
    "imagenet_mobilenet_v2": ("MobileNetV2, a classifier: photographs, 1000 classes", "photographs", 224, CORAL),
}
SCENES = 6  # of the generated ones
MADE_OF = [  # what the scripts depend on, besides the package
    BOOK / "live_assets.py",
    *(LIBRARY / "models" / f"{name}.py" for name in ("engine", "embedded", "mobilenet", "normalisation")),
    *(LIBRARY / "models" / "weights" / f"{name}.safetensors" for name in MODELS),
    *(LIBRARY / "data" / name for name in ("photographs.yaml", "photographs.py", "shapes.py", "sample.py")),
]


def main() -> int:
    digest = hashlib.blake2b(b"".join(path.read_bytes() for path in MADE_OF), digest_size=16).hexdigest()
    stamp = f"/* {digest} */"
    if LIST.is_file() and LIST.read_text(encoding="utf-8").startswith(stamp):
        return 0
    try:
        runtime = runtime_files()
    except LookupError:
        print("npm cannot fetch onnxruntime-web: the live model will not be part of this build", file=sys.stderr)
        return 0
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    models = [made(name, runtime) for name in MODELS]
    listed = json.dumps(models, indent=2, ensure_ascii=False)
    LIST.write_text(f"{stamp}\n((globalThis.segattr ??= {{}}).live ??= {{}}).models = {listed};\n", encoding="utf-8")
    return 0


def runtime_files() -> list[dict[str, object]]:
    """ONNX Runtime's scripts, fetched where they are not there: [{name, what, bytes}]. Raises as vendor.fetched."""
    paths = {name: LIVE / f"{name}.js" for name in RUNTIME_FILES}
    first_line = f"/* {RUNTIME_NOTICE} */\n"
    current = all(path.is_file() and path.open(encoding="utf-8").readline() == first_line for path in paths.values())
    if not current:
        from vendor import fetched

        if shutil.which("npm") is None:
            raise LookupError(RUNTIME)
        files = fetched(RUNTIME, SHA512)
        for name, (path, _) in RUNTIME_FILES.items():
            write_script(name, files[path], RUNTIME_NOTICE)
    return [entry(name, what) for name, (_, what) in RUNTIME_FILES.items()]


def made(name: str, runtime: list[dict[str, object]]) -> dict[str, object]:
    """Writes the scripts of a model and its pictures; its entry in models.js."""
    from segattr_lib.models.engine import as_onnx
    from segattr_lib.models.loading import load_model

    title, dataset, size, credit = MODELS[name]
    model = load_model(name, shape=(size, size), explained=False)
    write_script(name, as_onnx(model.module, (size, size)), credit)
    shown = json.dumps(pictures(dataset, size), indent=2, ensure_ascii=False)
    (LIVE / f"pictures-{name}.js").write_text(f'(segattr.live.shown ??= {{}})["{name}"] = {shown};\n', encoding="utf-8")
    files = [*runtime, entry(name, "the model")]
    loaded = [*files, entry(f"pictures-{name}", "pictures")]
    return {
        "id": name,
        "title": title,
        "kind": "classifier" if model.classifies else "segmenter",
        "megabytes": round(sum(int(str(file["bytes"])) for file in loaded) / 1e6, 1),
        "size": size,
        "classes": list(model.class_names),
        "credit": f"{credit}; run by {RUNTIME_NOTICE}",
        "files": files,
    }


def pictures(dataset: str, size: int) -> list[dict[str, str | None]]:
    """The pictures that a model begins with, as it sees them: all photographs, or the first of the generated scenes."""
    from segattr_lib.data import load_dataset
    from segattr_lib.data.photographs import available

    opened = load_dataset(dataset)
    photographs = available() if dataset == "photographs" else {}
    result: list[dict[str, str | None]] = []
    for sample_id in photographs or opened.sample_ids[:SCENES]:
        sample = opened.load(sample_id, size, proportional=True)
        if sample_id in photographs:
            photograph = photographs[sample_id]
            title, shows, truth = photograph.title, photograph.shows, None
            credit = f"{photograph.credit}, made smaller"
        else:
            names = [opened.class_names[label] for label in sample.labels.unique().tolist() if label]
            title, shows, credit = f"Scene {sample_id}", f"{', '.join(names)} on clutter", "drawn by this project"
            truth = as_uri(sample.labels.numpy())
        rgb = (sample.image * 255).round().byte().movedim(0, -1).numpy()
        about = {"id": sample_id, "title": title, "credit": credit, "shows": shows}
        result.append({**about, "source": as_uri(rgb), "truth": truth})
    return result


def as_uri(pixels: object) -> str:
    """A data: URI of 8-bit pixels, (H,W) or (H,W,3), as PNG, which loses nothing."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def write_script(name: str, content: bytes, notice: str) -> None:
    LIVE.mkdir(parents=True, exist_ok=True)
    packed = base64.b64encode(gzip.compress(content, mtime=0)).decode()
    (LIVE / f"{name}.js").write_text(f'/* {notice} */\nsegattr.live.assets["{name}"] = "{packed}";\n', encoding="utf-8")


def entry(name: str, what: str) -> dict[str, object]:
    return {"name": name, "what": what, "bytes": (LIVE / f"{name}.js").stat().st_size}


if __name__ == "__main__":
    sys.exit(main())
