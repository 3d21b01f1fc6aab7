"""The few commands that people, the Makefile and clusters call, as `segattr` or as `python -m segattr_lib`."""

from __future__ import annotations

import argparse
import codecs
import importlib.util
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segattr_lib.registry import UserError

if TYPE_CHECKING:
    from segattr_lib.evidence.plans import Plan

DEBUG = "SEGATTR_DEBUG"  # set in the environment to see where an error came from
BOOK = ("papermill", "jupytext", "ipykernel", "ipywidgets", "myst_nb")  # what the extra `book` brings to notebooks


def main(arguments: list[str] | None = None) -> int:
    """Run one command; its exit code: 0 done, 2 something the user asked for cannot be had, 130 stopped, 141 nobody
    reads what it prints. What goes wrong is one sentence. arguments: the process's own when left out."""
    if arguments is None:
        _as_process()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # for what a terminal's encoding lacks
    try:
        try:
            return _call(arguments)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # as `head` leaves it; the interpreter flushes once more, into nothing
        for stream in (sys.stdout, sys.stderr):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return 141  # 128 + SIGPIPE, as a shell says it of any command


def _as_process() -> None:
    """Let any name of a file be read, and let the script `segattr` find the modules that `python -m` finds."""
    if codecs.lookup(sys.getfilesystemencoding()).name == "ascii":  # LANG=C, where no file can be named é
        os.environ["PYTHONUTF8"] = "1"  # the notebooks' kernels, too
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])
    if not sys.flags.safe_path:
        sys.path.append("")  # the folder it is called from, with a user's own package.module; hides nothing installed


def _call(arguments: list[str] | None) -> int:
    asked = _parser().parse_args(arguments)
    try:
        asked.run(asked)
    except UserError as error:
        print(f"segattr: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("segattr: stopped; what was finished is kept, and the same command goes on from there.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        raise
    except Exception as error:
        if DEBUG in os.environ:
            raise

        from segattr_lib.models.runtime import out_of_memory
        from segattr_lib.registry import in_one_line

        text = in_one_line(error)
        if out_of_memory(error):
            text = f"memory ended; set a smaller batch_size or image_size ({text})"
        print(f"segattr: {text} [{DEBUG}=1 shows where]", file=sys.stderr)
        return 2
    return 0


def _benchmark(asked: argparse.Namespace) -> None:
    from segattr_lib.profiles import load_settings

    settings = load_settings(asked.file, _pairs(asked.parameter))

    from segattr_lib.benchmark.runner import run_benchmark  # torch, which a refusal above does not wait for

    folder = run_benchmark(settings, asked.output)
    scored, line = outcome(folder)
    if not scored:
        raise UserError(f"Nothing was scored: {line} (see {folder})")
    print(f"{folder}: {line}")


def _explain(asked: argparse.Namespace) -> None:
    from segattr_lib.benchmark.settings import read_settings

    chosen = {"target": asked.target, "model": asked.model, "methods": asked.methods, "image_size": asked.size}
    settings = _pairs(asked.parameter)
    of_runs = ["dataset", "root", "split", "region", "class_map", "samples", "order", "workers"]
    for name in settings.keys() & {*chosen, *of_runs}:
        raise UserError(f"{name} is no parameter of explain; see `explain --help`.")
    read_settings({**settings, **chosen})
    for photo in asked.photo:
        if not Path(photo).expanduser().exists():
            raise UserError(f"There is no file or folder {photo!r}; expected a picture, or a folder of pictures.")

    from segattr_lib.photograph import explain_into  # torch, which a refusal above does not wait for

    about = {"model": asked.model, "methods": asked.methods, "size": asked.size}
    answers, lost = explain_into(asked.output, asked.photo, asked.target, **about, **settings)
    if not answers:
        name, reason = next(iter(lost.items()))
        raise UserError(f"None of {len(lost)} photographs can be explained; the first, {name}: {reason}.")
    print(f"{asked.output}/index.html shows {len(answers)} explained, {len(lost)} could not be.")


def outcome(folder: str | Path) -> tuple[int, str]:
    """How many samples of a finished folder were scored, and the line that ends its run: scored, skipped, failed.

    Each run's samples count apart. Scored is a sample with a value by any method; failed, one without, unless it was
    skipped. Where none was scored the line gives the first reason.
    """
    import pandas as pd

    from segattr_lib.benchmark.statistics import plain
    from segattr_lib.benchmark.store import read_samples

    rows = plain(read_samples(folder))
    keys = pd.MultiIndex.from_frame(rows[["run_id", "sample_id"]])
    lost, of_maps = rows["status"].isin(["failed", "skipped"]), rows["method"].notna()
    scored = keys[~lost & (of_maps if of_maps.any() else True)].unique()
    skipped = keys[rows["status"] == "skipped"].unique()
    failed = len(keys.unique()) - len(scored) - len(skipped)
    line = f"{len(scored)} samples scored, {len(skipped)} skipped, {failed} failed"
    partly = (lost & of_maps & keys.isin(scored)).sum()
    if partly:
        line += f"; {partly} values of those scored failed"
    if len(scored) == 0 and lost.any():
        first = rows[lost].iloc[0]
        line += f"; the first, {first['sample_id']}: {first['reason']}"
    return len(scored), line


def _execute(asked: argparse.Namespace) -> None:
    from segattr_lib.profiles import check_parameters, load_profile

    profile = load_profile(asked.profile)
    if asked.notebook is None:
        if asked.parameter or asked.output:
            raise UserError("-p and -o belong to one notebook; name it.")
        for name, parameters in profile.items():
            check_parameters(name, parameters or {})
        _need_the_book("execute")

        from segattr_lib.execute import execute_profile  # torch, papermill: a refusal above does not wait for them

        execute_profile(asked.profile)
        return
    parameters = (profile.get(asked.notebook) or {}) | _pairs(asked.parameter)
    check_parameters(asked.notebook, parameters)
    _need_the_book("execute")

    from segattr_lib.execute import EXECUTED, execute

    output = asked.output or EXECUTED / f"{asked.notebook}.ipynb"
    print(execute(asked.notebook, parameters, output, asked.profile))


def _generate(asked: argparse.Namespace) -> None:
    from segattr_lib.profiles import notebooks

    names = notebooks()
    _need_the_book("generate")

    from segattr_lib.execute import generate

    for name in names:
        print(generate(name))


def _need_the_book(command: str, what: str = "works on notebooks") -> None:
    """Raises UserError where a package is missing that notebooks need and the library does without. what: of it the
    command does."""
    missing = [name for name in BOOK if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"`{command}` {what}, for which {', '.join(missing)} must be installed: pip install 'segattr[book]'."
        )


def _record(asked: argparse.Namespace) -> None:
    from segattr_lib.evidence.plans import plan_names, read_plan

    changes = _place(asked.parameter)
    if asked.name is None:
        for name in plan_names():
            print(f"{name}: {read_plan(name).shows}")
        return
    _need_its_page("record", read_plan(asked.name, **changes))  # refuses what cannot be

    from segattr_lib.evidence.plans import placed  # torch, which a refusal above does not wait for
    from segattr_lib.evidence.recording import cost_of, record

    plan = placed(asked.name, **changes)

    if asked.plan:
        cost = cost_of(plan)
        hours, size = cost.seconds / 3600, cost.size / 2**20
        print(
            f"{plan.name}: {cost.samples} samples, {cost.passes:,} passes, {hours:.2f} hours of one process "
            f"as fast as this, {size:.2f} MiB"
        )
        return
    names = record(plan, shards=asked.shard)
    print(f"{plan.name}: recorded {', '.join(names) or 'nothing new'}")


def _need_its_page(command: str, plan: Plan) -> None:
    """Raises UserError where the record asks what a page of the book asks, and what pages need is missing."""
    if plan.question is not None:
        _need_the_book(command, f"asks of {plan.name} what a page of the book does")


def _verify(asked: argparse.Namespace) -> None:
    from segattr_lib.evidence.plans import read_plan
    from segattr_lib.evidence.records import recorded

    changes = _place(asked.parameter)
    if asked.samples < 1:
        raise UserError(f"--samples is {asked.samples}; expected 1 or more.")
    names = asked.name or recorded()
    for name in names:
        _need_its_page("verify", read_plan(name, **changes))

    from segattr_lib.data import load_dataset  # torch
    from segattr_lib.evidence.checking import verify
    from segattr_lib.evidence.plans import placed

    fallen = []
    for name in names:
        settings = placed(name, **changes).settings
        try:
            load_dataset(settings.dataset, settings.root, settings.split, settings.backgrounds)
        except UserError as error:
            if settings.root is not None:  # a wrong one is no absence
                raise
            print(f"{name}: not recomputed here. {error}")
            continue
        check = verify(name, asked.samples, asked.seed, k=asked.k, **changes)
        print(check.text())
        if not check.holds:
            fallen.append(name)
    if fallen:
        raise UserError(f"{len(fallen)} of {len(names)} records no longer stand: {', '.join(fallen)}.")


def _place(written: list[str]) -> dict[str, Any]:
    """Settings that are no matter of a record: where its data lie, and what computes. UserError for any other."""
    from segattr_lib.evidence.records import PLACE
    from segattr_lib.registry import unknown

    changes = _pairs(written)
    for name in changes:
        if name not in PLACE:
            raise unknown("parameter of a record", name, PLACE)
    return changes


def _train(asked: argparse.Namespace) -> None:
    from segattr_lib.registry import imported, unknown
    from segattr_lib.training.suites import SUITES

    if asked.suite is not None and asked.suite not in SUITES:
        raise unknown("suite", asked.suite, SUITES)
    suites = SUITES if asked.suite is None else {asked.suite: SUITES[asked.suite]}
    offered = {name: train for suite in suites.values() for name, train in suite.get(asked.profile, {}).items()}
    if not offered:
        raise UserError(f"There is nothing to train for the suite {asked.suite!r} in the profile {asked.profile!r}.")
    trainers = {name: train for suite in SUITES.values() for part in suite.values() for name, train in part.items()}
    for name in asked.model:
        if name not in trainers:
            raise unknown("trainable model", name, trainers)
    from segattr_lib.benchmark.settings import SEEDS

    if not 0 <= asked.seed < SEEDS:
        raise UserError(f"--seed is {asked.seed}; expected a whole number from 0 to {SEEDS - 1}.")
    from segattr_lib.models import WEIGHTS

    if asked.output is None and not (WEIGHTS.parents[2] / "pyproject.toml").is_file():
        raise UserError(
            f"The trained weights would replace those of the installed library in {WEIGHTS}; name a folder with -o."
        )
    for name in asked.model or offered:
        train = imported(trainers[name])
        print(train(name, asked.seed, asked.output or WEIGHTS))


def _download(asked: argparse.Namespace) -> None:
    from segattr_lib.data.voc import download

    download(asked.dataset, asked.root)


def _pairs(written: list[str]) -> dict[str, Any]:
    """name=value, the value read as YAML: 0.2, [0.1, 0.2], null, text."""
    from segattr_lib.profiles import read_value

    pairs: dict[str, Any] = {}
    for text in written:
        name, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"-p {text!r} is not of the form name=value.")
        try:
            pairs[name.strip()] = read_value(value)
        except ValueError as error:
            raise UserError(f"The value of -p {text!r} cannot be read: {error}") from error
    return pairs


def _parser() -> argparse.ArgumentParser:
    called = "segattr" if Path(sys.argv[0]).stem == "segattr" else "python -m segattr_lib"
    parser = argparse.ArgumentParser(prog=called, description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("benchmark", help="run the segmentation benchmark into a results folder")
    command.add_argument("-f", "--file", help="YAML of settings, flat or under the key `benchmark`")
    command.add_argument("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE", help="one setting")
    command.add_argument("-o", "--output", required=True, metavar="FOLDER", help="such as results/NAME")
    command.set_defaults(run=_benchmark)

    command = commands.add_parser("explain", help="explain photographs: what a model sees, and which maps to believe")
    command.add_argument("photo", nargs="+", metavar="PHOTO", help="a picture, or a folder of pictures")
    command.add_argument("-o", "--output", default="explained", metavar="FOLDER", help="default: explained")
    command.add_argument(
        "--target",
        default="frequent",
        help="frequent (the class with most pixels), largest_component, class=cat, point=x,y or box=x0,y0,x1,y1 in px",
    )
    command.add_argument("--model", default="voc_deeplabv3_mobilenetv2", help="registered, or file.py:function")
    methods = ["gpa", "ega", "adaptive_ria", "adaptive_dea"]
    command.add_argument(
        "--methods", nargs="+", default=methods, metavar="METHOD", help=f"default: {' '.join(methods)}"
    )
    command.add_argument("--size", type=int, default=321, help="px of the long side (default: 321)")
    command.add_argument(
        "-p", "--parameter", action="append", default=[], metavar="NAME=VALUE", help="k, fill, layer ..."
    )
    command.set_defaults(run=_explain)

    command = commands.add_parser("execute", help="execute the notebooks of a profile, or one of them")
    command.add_argument("notebook", nargs="?", help="all of the profile's when left out")
    command.add_argument("--profile", default="embedded", help="of params/: smoke, embedded (default) or paper")
    command.add_argument("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE")
    command.add_argument("-o", "--output", type=Path, metavar="FILE.ipynb", help="book/executed/ when left out")
    command.set_defaults(run=_execute)

    command = commands.add_parser("generate", help="write build/notebooks/*.ipynb from their sources, for papermill")
    command.set_defaults(run=_generate)

    command = commands.add_parser("record", help="do a recorded run of params/recorded.yaml into book/evidence/NAME")
    command.add_argument("name", nargs="?", help="the names are listed when left out")
    command.add_argument("--plan", action="store_true", help="only tell passes, hours and disk")
    command.add_argument("--shard", type=int, nargs="+", metavar="N", help="these shards alone; all that are left")
    command.add_argument(
        "-p", "--parameter", action="append", default=[], metavar="NAME=VALUE", help="root, device ..."
    )
    command.set_defaults(run=_record)

    command = commands.add_parser("verify", help="compute some samples of the records again, and compare")
    command.add_argument("name", nargs="*", help="all records when left out")
    command.add_argument("--samples", type=int, default=3, help="of each record, drawn by --seed (default: 3)")
    command.add_argument("--k", type=float, help="this one alone of records that have it and others (default: all)")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument(
        "-p", "--parameter", action="append", default=[], metavar="NAME=VALUE", help="root, device ..."
    )
    command.set_defaults(run=_verify)

    command = commands.add_parser("train", help="train the embedded models, or tune torchvision's (paper)")
    command.add_argument("model", nargs="*", help="all of the suite and profile when left out")
    command.add_argument("--suite", help="benchmark (segmenters), arcc (classifiers), in_domain (judges), wsss (SAM 2)")
    command.add_argument("--profile", default="embedded", help="embedded (default) or paper")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="the library's own weights when left out")
    command.set_defaults(run=_train)

    command = commands.add_parser("download", help="fetch VOC 2012 or SBD, with progress and checksums")
    command.add_argument("dataset", help="voc or sbd")
    command.add_argument("--root", default="data", help="where to (default: data)")
    command.set_defaults(run=_download)
    return parser


if __name__ == "__main__":
    sys.exit(main())
