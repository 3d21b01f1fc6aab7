"""The few commands that the Makefile, clusters and scripts call: `python -m segattr_lib --help`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml

from segattr_lib.registry import UserError


def main(arguments: list[str] | None = None) -> int:
    """Run one command; its exit code: 0 done, 2 something the user asked for cannot be had, 130 stopped."""
    told = _parser().parse_args(arguments)
    try:
        told.run(told)
    except UserError as error:
        print(f"segattr: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("segattr: stopped; what was finished is kept, and the same command goes on from there.", file=sys.stderr)
        return 130
    return 0


def _benchmark(told: argparse.Namespace) -> None:
    from segattr_lib.benchmark.runner import run_benchmark
    from segattr_lib.benchmark.settings import load_settings

    print(run_benchmark(load_settings(told.file, _pairs(told.parameter)), told.output))


def _execute(told: argparse.Namespace) -> None:
    from segattr_lib.execute import EXECUTED, execute, execute_profile, load_profile

    if told.notebook is None:
        if told.parameter or told.output:
            raise UserError("-p and -o belong to one notebook; name it.")
        execute_profile(told.profile)
        return
    parameters = (load_profile(told.profile).get(told.notebook) or {}) | _pairs(told.parameter)
    output = told.output or EXECUTED / f"{told.notebook}.ipynb"
    print(execute(told.notebook, parameters, output, told.profile))


def _generate(told: argparse.Namespace) -> None:
    from segattr_lib.execute import SOURCES, generate

    for source in sorted(SOURCES.glob("*.py")):
        print(generate(source.stem))


def _train(told: argparse.Namespace) -> None:
    from segattr_lib.models.suites import SUITES
    from segattr_lib.registry import unknown

    if told.suite is not None and told.suite not in SUITES:
        raise unknown("suite", told.suite, SUITES)
    suites = SUITES if told.suite is None else {told.suite: SUITES[told.suite]}
    offered = {name: train for suite in suites.values() for name, train in suite.get(told.profile, {}).items()}
    if not offered:
        raise UserError(f"There is nothing to train for the suite {told.suite!r} in the profile {told.profile!r}.")
    trainers = {name: train for suite in SUITES.values() for part in suite.values() for name, train in part.items()}
    for name in told.model:
        if name not in trainers:
            raise unknown("trainable model", name, trainers)
    for name in told.model or offered:
        print(trainers[name](name, told.seed, told.output))


def _download(told: argparse.Namespace) -> None:
    from segattr_lib.data.voc import download

    download(told.dataset, told.root)


def _pairs(written: list[str]) -> dict[str, Any]:
    """name=value, the value read as YAML: 0.2, [0.1, 0.2], null, text."""
    pairs: dict[str, Any] = {}
    for text in written:
        name, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"-p {text!r} is not of the form name=value.")
        try:
            pairs[name.strip()] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise UserError(f"The value of -p {text!r} cannot be read: {error}") from error
    return pairs


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m segattr_lib", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("benchmark", help="run the segmentation benchmark into a results folder")
    command.add_argument("-f", "--file", help="YAML of settings, flat or under the key `benchmark`")
    command.add_argument("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE", help="one setting")
    command.add_argument("-o", "--output", required=True, metavar="FOLDER", help="such as results/NAME")
    command.set_defaults(run=_benchmark)

    command = commands.add_parser("execute", help="execute the notebooks of a profile, or one of them")
    command.add_argument("notebook", nargs="?", help="all of the profile's when left out")
    command.add_argument("--profile", default="embedded", help="of params/: smoke, embedded (default) or paper")
    command.add_argument("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE")
    command.add_argument("-o", "--output", type=Path, metavar="FILE.ipynb", help="book/executed/ when left out")
    command.set_defaults(run=_execute)

    command = commands.add_parser("generate", help="write build/notebooks/*.ipynb from their sources, for papermill")
    command.set_defaults(run=_generate)

    command = commands.add_parser("train", help="train the embedded models, or tune torchvision's (paper)")
    command.add_argument("model", nargs="*", help="all of the suite and profile when left out")
    command.add_argument("--suite", help="benchmark (segmenters), arcc (classifiers), wsss (SAM 2); all when left out")
    command.add_argument("--profile", default="embedded", help="embedded (default) or paper")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("-o", "--output", type=Path, default=Path("segattr_lib/models/weights"), metavar="FOLDER")
    command.set_defaults(run=_train)

    command = commands.add_parser("download", help="fetch VOC 2012 or SBD, with progress and checksums")
    command.add_argument("dataset", help="voc or sbd")
    command.add_argument("--root", default="data", help="where to (default: data)")
    command.set_defaults(run=_download)
    return parser


if __name__ == "__main__":
    sys.exit(main())
