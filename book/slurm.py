"""Runs a benchmark on the nodes of a Slurm cluster, from a login node or from a job of its own:

    pip install dask-jobqueue
    python book/slurm.py -f params/paper.yaml -o results/mine

Takes what `segattr benchmark` takes. Copy it, and write into `cluster` what your cluster calls its queues.
"""

import sys

from dask_jobqueue import SLURMCluster

from segattr_lib.__main__ import main

JOBS = 4  # of Slurm's at a time, each with the cores below; a run begins with the first of them


def cluster() -> SLURMCluster:
    """A scheduler here, and what a job of Slurm's is: as many workers as it has cores, one thread each."""
    return SLURMCluster(
        queue="cpu",  # sbatch --partition
        cores=16,
        processes=16,  # for a GPU: cores=1, processes=1 and job_extra_directives=["--gres=gpu:1"]
        memory="64GB",
        walltime="04:00:00",
        python=sys.executable,  # the environment that runs this file, which the nodes see under the same path
        local_directory="/tmp",
        worker_extra_args=["--lifetime", "230m", "--lifetime-stagger", "5m"],  # they end in order, before their time
    )


if __name__ == "__main__":
    with cluster() as slurm:
        slurm.adapt(minimum_jobs=1, maximum_jobs=JOBS)  # a job that ends is followed by another
        code = main(["benchmark", *sys.argv[1:], "-p", f"workers={slurm.scheduler_address}"])
    sys.exit(code)
