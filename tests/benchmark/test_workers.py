"""Runs by other processes: the same bytes however many there are, and what is left when one of them ends."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from segattr_lib import workers
from segattr_lib.benchmark import runner
from segattr_lib.benchmark.runner import Question, run_benchmark
from segattr_lib.benchmark.settings import Settings, read_settings
from segattr_lib.benchmark.store import read_samples
from segattr_lib.data.sample import SampleError
from segattr_lib.registry import UserError, own_fingerprint, user_object
from segattr_lib.workers import Begin, results

ROOT = Path(__file__).parents[2]
OWN = """
import os, signal, time
from pathlib import Path
from oracles import ConvNet
from segattr_lib.benchmark.group import about_map, row_of
from segattr_lib.models.runtime import runtime_of

HERE = Path(__file__).parent


def tiny():
    return ConvNet(classes=7, seed=99)


def red(score, images, target):
    with open(HERE / "asked.txt", "a") as file:
        print(float(images.sum()), os.getpid(), runtime_of(score.model).batch_size, file=file)
    if (HERE / "sleeps").exists():
        calls, seconds = map(int, (HERE / "sleeps").read_text().split())
        if len((HERE / "asked.txt").read_text().splitlines()) > calls:
            time.sleep(seconds)
    victim = HERE / "victim"
    if victim.exists() and len((HERE / "asked.txt").read_text().splitlines()) >= 3:
        pid = int(victim.read_text()) or os.getpid()
        if not (HERE / "again").exists():
            victim.unlink()
        os.kill(pid, signal.SIGKILL)
        time.sleep(1)
    return images[:, 0]


def broken(score, images, target):
    raise ValueError("no map of this")


class Brightness:
    def __init__(self, scale):
        self.scale = scale

    def rows(self, group, methods):
        images = zip(group.samples, group.images.mean((1, 2, 3)).tolist())
        return [row_of(about_map(sample, methods[0]), "brightness", self.scale * mean) for sample, mean in images]
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    return tmp_path / "own.py"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "GROUP", 2)


def asked(own: Path, **changes: Any) -> Settings:
    """Seven samples in four groups."""
    usual = {"dataset": "shapes", "samples": 7, "image_size": 32, "model": f"{own}:tiny", "layer": "features"}
    usual |= {"methods": ["random", "ega", f"{own}:red"], "metrics": ["tdd", "insertion"], "device": "cpu"}
    return read_settings({**usual, **changes})


def same(first: Path, second: Path) -> bool:
    names = ["manifest.json", "ro-crate-metadata.json", "runs.csv", "samples.parquet", "timings.parquet"]
    return sorted(path.name for path in second.iterdir()) == names and all(
        (first / name).read_bytes() == (second / name).read_bytes() for name in ("samples.parquet", "runs.csv")
    )


def seen_by(own: Path, column: int) -> list[str]:
    """What the method `red` wrote down at each call: the sum of an image, its process, the batch size of the model."""
    return [line.split()[column] for line in (own.parent / "asked.txt").read_text(encoding="utf-8").splitlines()]


def workers_of(pid: int) -> list[psutil.Process]:
    """The processes that a process has spawned, multiprocessing's own, which watches them, aside."""
    children = psutil.Process(pid).children(recursive=True)
    return [child for child in children if any("spawn_main" in word for word in child.cmdline())]


@contextmanager
def command(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`python -m ...` in a process group of its own, which is ended with the block. It hears Ctrl-C, which a shell has
    what it starts in the background ignore, these tests perhaps."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
    }
    about = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    about["preexec_fn"] = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen([sys.executable, "-m", *arguments], env=environment, **about) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def cluster(folder: Path, *about_worker: str) -> Iterator[tuple[str, int]]:
    """A scheduler of its own process with one worker: its address and process id."""
    file = folder / "scheduler.json"
    with command("distributed.cli.dask_scheduler", "--port", "0", "--scheduler-file", str(file)) as scheduler:
        at = ["--scheduler-file", str(file), "--no-dashboard", "--nthreads", "1", *about_worker]
        with command("distributed.cli.dask_worker", *at):
            wait_until(file.exists)
            yield json.loads(file.read_text(encoding="utf-8"))["address"], scheduler.pid


def wait_until(seen: Any, seconds: float = 300) -> None:
    ends = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.05)


def test_a_number_or_an_address_and_nothing_else():
    for value in (0, 3, "tcp://10.0.0.1:8786", "tls://head:8786"):
        assert read_settings({"workers": value}).workers == value
    for value in (-1, 1.5, "2", "10.0.0.1:8786", "http://10.0.0.1:8786", None):
        with pytest.raises(UserError, match=r"^workers is .*; expected 0 .*, a number .* or a scheduler's address"):
            read_settings({"workers": value})
    with pytest.raises(UserError, match="workers is True"):
        read_settings({"workers": True})


def test_workers_are_no_part_of_what_a_run_is():
    assert read_settings({"workers": 2}).run_id() == read_settings({}).run_id()


def test_a_run_in_this_process_needs_no_dask():
    code = (
        "import sys; from segattr_lib.benchmark import runner; from segattr_lib.workers import results;"
        "print(list(results(0, {'a': (1, 2)}, max, None)), {'dask', 'distributed'} & {*sys.modules})"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[('a', 2)] set()"


def test_errors_arrive_as_they_were_raised():
    error = pickle.loads(pickle.dumps(SampleError("skipped", "too small")))
    assert (error.status, error.reason, str(error)) == ("skipped", "too small", "too small")
    assert str(pickle.loads(pickle.dumps(UserError("A sentence.")))) == "A sentence."


def test_where_nobody_listens_is_said_in_seconds(own, tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "ANSWERS", 1)
    began = time.monotonic()
    with pytest.raises(UserError, match=r"^No scheduler answers at tcp://127.0.0.1:9") as raised:
        run_benchmark(asked(own, batch_size=8, workers="tcp://127.0.0.1:9"), tmp_path / "results")
    assert time.monotonic() - began < 15 and "\n" not in str(raised.value)


def test_what_cannot_be_sent_is_said_before_anything_is_started(own, tmp_path, monkeypatch):
    lock = threading.Lock()
    question = Question("benchmark", {}, lambda group, methods: [{"lock": lock}])
    monkeypatch.setattr(workers, "_connected", lambda _: pytest.fail("started"))
    with pytest.raises(UserError, match=r"cannot be sent to workers: TypeError: .*lock.*; set workers=0"):
        run_benchmark(asked(own, batch_size=8, workers=2), tmp_path / "results", question)


@pytest.mark.slow
def test_the_bytes_are_the_same_on_any_number_of_workers(own, tmp_path, capfd):
    """No batch size is given: it is measured once, by the process that begins the run. A single worker and
    two are asked below."""
    folders = {number: run_benchmark(asked(own, workers=number), tmp_path / str(number)) for number in (0, 4)}
    assert all(same(folders[0], folder) for folder in folders.values())
    (runtime,) = json.loads((folders[4] / "manifest.json").read_text(encoding="utf-8"))["runtimes"]
    assert runtime["threads"] == 1
    pids = seen_by(own, 1)
    assert len({*pids}) > 2 and str(os.getpid()) in pids
    lines = [line for line in capfd.readouterr().err.replace("\r", "\n").splitlines() if "sample" not in line]
    assert not [line for line in lines if line.strip()], lines
    assert not workers_of(os.getpid())


@pytest.mark.slow
def test_the_group_of_a_killed_worker_is_done_by_another_once(own, tmp_path):
    whole = run_benchmark(asked(own), tmp_path / "whole")
    (own.parent / "asked.txt").unlink()
    (own.parent / "victim").write_text("0", encoding="utf-8")  # the worker itself
    folder = run_benchmark(asked(own, workers=2), tmp_path / "results")
    assert same(whole, folder)
    images = seen_by(own, 0)
    assert len(images) - len(set(images)) in (1, 2, 3)  # the first of its group; a group that was not yet fetched


@pytest.mark.slow
def test_a_group_that_ends_every_worker_is_named(own, tmp_path):
    (own.parent / "victim").write_text("0", encoding="utf-8")
    (own.parent / "again").touch()
    with pytest.raises(UserError, match=r"^The part [0-9a-f]{12}-00000\d ended every worker .*smaller batch_size"):
        run_benchmark(asked(own, workers=1), tmp_path / "results")


@pytest.mark.slow
def test_without_its_scheduler_a_run_stops_in_a_sentence_and_goes_on_later(own, tmp_path):
    whole = run_benchmark(asked(own), tmp_path / "whole")
    folder = tmp_path / "results"
    with cluster(tmp_path) as (address, pid):
        (own.parent / "asked.txt").unlink()
        (own.parent / "sleeps").write_text("2 1", encoding="utf-8")  # the first group arrives before that
        (own.parent / "victim").write_text(str(pid), encoding="utf-8")
        with pytest.raises(UserError, match=f"^The scheduler at {address} is lost; .* goes on from there"):
            run_benchmark(asked(own, workers=address), folder)
        assert 1 <= len(list(folder.glob("parts/*.samples.parquet"))) < 4
    assert same(whole, run_benchmark(asked(own), folder))


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_stop_leaves_what_was_finished_and_no_process(own, tmp_path, sent, code, monkeypatch):
    """As a terminal's Ctrl-C, the signal goes to all of the group; a kill goes to the one that began the run."""
    monkeypatch.setattr(runner, "GROUP", 8)  # as the command has it
    (own.parent / "sleeps").write_text("16 5", encoding="utf-8")  # two groups, and then of 40 s each
    folder, settings = tmp_path / "results", asked(own, samples=40, batch_size=8, workers=2)
    file = tmp_path / "settings.yaml"
    file.write_text(json.dumps(settings.model_dump()), encoding="utf-8")
    with command("segattr_lib", "benchmark", "-f", str(file), "-o", str(folder)) as process:
        wait_until(lambda: list(folder.glob("parts/*.samples.parquet")))
        children = workers_of(process.pid)
        assert len(children) == 2
        os.killpg(process.pid, sent) if sent == signal.SIGINT else process.send_signal(sent)
        began = time.monotonic()
        said = process.communicate(timeout=30)[1]
        assert process.returncode == code
        assert not psutil.wait_procs(children, timeout=10)[1]
        assert time.monotonic() - began < 25  # what is half done is not waited for
    if sent == signal.SIGINT:
        sentence = "segattr: stopped; what was finished is kept, and the same command goes on from there."
        lines = [line for line in said.replace("\r", "\n").splitlines() if "sample" not in line and line.strip()]
        assert lines == [sentence]
    assert 1 <= len(list(folder.glob("parts/*.samples.parquet"))) < 5
    (own.parent / "sleeps").unlink()
    here = settings.changed({"workers": 0})  # a run may go on with another number of them
    assert same(run_benchmark(here, tmp_path / "whole"), run_benchmark(here, folder))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with cluster(tmp_path_factory.mktemp("cluster")) as (address, _):
        yield address


@pytest.mark.slow
def test_one_worker_serves_one_run_after_another_of_questions_with_code_of_their_own(own, tmp_path, shared):
    for scale in (1.0, 3.0):
        name = f"{own}:Brightness"
        brightness = user_object("question", name)(scale)
        question = Question(
            "benchmark",
            {"scale": scale},
            lambda group, methods, of=brightness: of.rows(group, methods),
            {name: own_fingerprint("question", name)},
        )
        here, there = tmp_path / f"here {scale}", tmp_path / f"there {scale}"
        assert same(
            run_benchmark(asked(own), here, question), run_benchmark(asked(own, workers=shared), there, question)
        )
        rows = read_samples(there)
        assert (rows["metric"] == "brightness").sum() == 7
        own.write_text(own.read_text(encoding="utf-8") + "\n# another version of it\n", encoding="utf-8")


@pytest.mark.slow
def test_a_worker_runs_a_model_as_the_process_measured_it_that_began_the_run(own, tmp_path, shared, monkeypatch):
    real = runner.Opened.prepared
    monkeypatch.setattr(runner.Opened, "prepared", lambda *about, **known: real(*about, **{**known, "batch_size": 5}))
    folder = run_benchmark(asked(own, workers=shared), tmp_path / "results")
    (runtime,) = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["runtimes"]
    assert {*seen_by(own, 2)} == {"5"} == {str(runtime["batch_size"])} and str(os.getpid()) not in seen_by(own, 1)


def first_is_wrong(name: str, folder: Path) -> str:
    """The first one knows it when the second is long done."""
    if name == "first":
        wait_until((folder / "second").exists)
        time.sleep(1)
        raise UserError("the first is wrong")
    (folder / name).touch()
    return name


@contextmanager
def wrong() -> Iterator[tuple[Any, dict[str, Any]]]:
    yield first_is_wrong, {}


@pytest.mark.slow
def test_nothing_is_kept_before_the_first_is_known_to_be_right(tmp_path):
    units = {name: (name, tmp_path) for name in ("first", "second")}
    done = results(2, units, first_is_wrong, Begin(wrong, (), {}))
    with pytest.raises(UserError, match=r"^the first is wrong$"):
        next(done)


@pytest.mark.slow
def test_what_a_worker_refuses_is_the_sentence_of_one_process(own, tmp_path, shared):
    said = []
    for name, at in (("here", 0), ("there", shared)):
        with pytest.raises(UserError) as raised:
            run_benchmark(asked(own, workers=at, methods=f"{own}:broken"), tmp_path / name)
        said.append(str(raised.value))
        assert not list((tmp_path / name / "parts").iterdir())
    assert said[0] == said[1] and "fails on each of the first 2 samples" in said[0]


@pytest.mark.slow
def test_a_worker_that_sees_other_code_does_nothing(own, tmp_path, shared, monkeypatch):
    real = runner.prepare_as_begun

    def edited(*args: Any) -> Any:
        own.write_text(own.read_text(encoding="utf-8").replace("images[:, 0]", "images[:, 1]"), encoding="utf-8")
        return real(*args)

    monkeypatch.setattr(runner, "prepare_as_begun", edited)
    with pytest.raises(UserError, match=r"^A worker on .* would make other values: its code is not what the run began"):
        run_benchmark(asked(own, workers=shared), tmp_path / "results")
    assert not list((tmp_path / "results/parts").iterdir())


@pytest.mark.slow
def test_workers_of_several_threads_are_refused(own, tmp_path):
    refused = pytest.raises(UserError, match=r"^The worker at tcp://.* has 2 threads; .*--nthreads 1")
    with cluster(tmp_path, "--nthreads", "2") as (address, _), refused:
        run_benchmark(asked(own, workers=address), tmp_path / "results")


JOBQUEUE = """
from distributed import LocalCluster


class SLURMCluster(LocalCluster):
    def __init__(self, *, queue, cores, processes, memory, walltime, **_):
        assert cores == processes  # a thread each
        super().__init__(n_workers=0, threads_per_worker=1, dashboard_address=None)

    def adapt(self, minimum_jobs, maximum_jobs):
        assert 1 <= minimum_jobs <= maximum_jobs
        self.scale(minimum_jobs)
"""


@pytest.mark.slow
def test_the_file_for_slurm_runs_a_benchmark(own, tmp_path, monkeypatch):
    """In place of dask-jobqueue, which needs a cluster, something of its face that starts a process of this machine."""
    (tmp_path / "dask_jobqueue.py").write_text(JOBQUEUE, encoding="utf-8")
    settings = tmp_path / "settings.yaml"
    settings.write_text(json.dumps(asked(own, batch_size=8).model_dump()), encoding="utf-8")
    path = os.pathsep.join(map(str, [ROOT, ROOT / "tests", tmp_path]))
    asks = [sys.executable, str(ROOT / "book/slurm.py"), "-f", str(settings), "-o", str(tmp_path / "results")]
    run = subprocess.run(asks, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    assert run.returncode == 0 and "7 samples scored" in run.stdout, run.stderr
    monkeypatch.setattr(runner, "GROUP", 8)  # as the command has it
    assert same(run_benchmark(asked(own, batch_size=8), tmp_path / "whole"), tmp_path / "results")
