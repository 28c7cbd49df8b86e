#!/usr/bin/env python3
"""Times training steps of dipm and of mlip (JAX) side by side, on one thread each.

    cargo build --release
    python3 -m venv .venv && .venv/bin/pip install "mlip==0.2.5"          (Python 3.11 to 3.13)
    .venv/bin/python scripts/compare_with_mlip.py [--molecules 32] [--rounds 2] [--core 0]

Workload: the first molecules of the quickstart dataset as one batch, NequIP at its defaults with a cutoff of 5 Å, f32,
loss 1·MSE(energy per atom) + 25·MSE(forces), Adam and averaged parameters. Both programs read the same extended XYZ file
and run in turn, pinned to one core where `taskset` exists. CPU seconds are user + system time of the process, the
honest column on a machine that does other work as well; medians over the steps after the first, and the best of the rounds.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STEPS = 7
CONFIG = """\
model:
  target: NequIP
dataset:
  train_dataset_paths: {workload}
  valid_dataset_paths: {workload}
  graph_cutoff_angstrom: 5.0
  batch_size: {molecules}
train:
  loss: mse
  num_epochs: 1
  save_path: {directory}/model.safetensors
"""


def write_workload(path, molecules):
    """Writes the first structures of the training set as extended XYZ."""
    import h5py

    symbols = {1: "H", 6: "C", 8: "O"}
    with h5py.File(ROOT / "data" / "quickstart" / "ethanol_train.h5") as file, open(path, "w") as out:
        for index in range(molecules):
            config = file[f"config_batch_0/config_{index}"]
            numbers, forces = config["atomic_numbers"][()], config["properties/forces"][()]
            out.write(f"{len(numbers)}\nProperties=species:S:1:pos:R:3:forces:R:3 ")
            out.write(f'energy={config["properties/energy"][()]:.10f} pbc="F F F"\n')
            for number, position, force in zip(numbers, config["positions"][()], forces):
                out.write(" ".join([symbols[number], *(f"{x:.10f}" for x in (*position, *force))]) + "\n")


def peer(workload, molecules):
    """Runs mlip in this process and returns what `dipm bench --json` prints for dipm."""
    start = time.time()
    import functools

    import jax
    import numpy as np
    import optax
    from mlip.data.chemical_systems_readers.extxyz_reader import ExtxyzReader
    from mlip.data.configs import GraphDatasetBuilderConfig
    from mlip.data.graph_dataset_builder import GraphDatasetBuilder
    from mlip.models import ForceField, Nequip
    from mlip.models.loss import MSELoss
    from mlip.training.ema import exponentially_moving_average
    from mlip.training.training_state import init_training_state
    from mlip.training.training_step import make_train_step

    builder = GraphDatasetBuilder(
        {"train": ExtxyzReader(filepaths=workload)},
        GraphDatasetBuilderConfig(graph_cutoff_angstrom=5.0, batch_size=molecules, max_n_node=None, max_n_edge=None),
    )
    (dataset,) = builder.get_datasets(prefetch=False).values()
    batch = next(iter(dataset))
    irreps = "128x0e + 128x0o + 64x1o + 64x1e + 4x2e + 4x2o"
    network = Nequip(Nequip.Config(target_irreps=irreps, l_max=3, num_layers=2), builder.dataset_info)
    field = ForceField.from_mlip_network(network, seed=0)
    weights = [lambda _, weight=weight: weight for weight in (1.0, 25.0, 0.0)]
    loss = functools.partial(MSELoss(*weights, extended_metrics=False), eval_metrics=False)
    optimizer, average = optax.adam(1e-3), exponentially_moving_average(decay=0.99)
    state = init_training_state(field.params, optimizer, average)
    step = make_train_step(
        field.predictor,
        loss,
        optimizer,
        average,
        avg_n_graphs_per_batch=float(molecules),
        num_gradient_accumulation_steps=1,
        should_parallelize=False,
    )
    cpu, wall = [], []
    for number in range(STEPS + 1):
        wall_start, cpu_start = time.time(), time.process_time()
        state, metrics = step(state, batch, 1)
        jax.block_until_ready((state, metrics))
        if number == 0:
            first = time.time() - start
        else:
            wall.append(time.time() - wall_start)
            cpu.append(time.process_time() - cpu_start)
    return {
        "params": sum(leaf.size for leaf in jax.tree.leaves(field.params)),
        "train_cpu_s": float(np.median(cpu)),
        "train_wall_s": float(np.median(wall)),
        "first_step_s": first,
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def run(command, core):
    """The JSON object that a command prints last, run on one thread."""
    pin = ["taskset", "-c", str(core)] if shutil.which("taskset") else []
    environment = dict(
        os.environ,
        RAYON_NUM_THREADS="1",
        OMP_NUM_THREADS="1",
        JAX_PLATFORMS="cpu",
        XLA_FLAGS="--xla_cpu_multi_thread_eigen=false",
    )
    result = subprocess.run(pin + command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads([line for line in result.stdout.splitlines() if line.startswith("{")][-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--molecules", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--dipm", default=str(ROOT / "target" / "release" / "dipm"))
    parser.add_argument("--peer", metavar="FILE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer:
        print(json.dumps(peer(options.peer, options.molecules)))
        return
    with tempfile.TemporaryDirectory() as directory:
        workload, config = Path(directory) / "workload.xyz", Path(directory) / "bench.yaml"
        write_workload(workload, options.molecules)
        config.write_text(CONFIG.format(workload=workload, molecules=options.molecules, directory=directory))
        ours = [options.dipm, "bench", str(config), "--json"]
        theirs = [sys.executable, __file__, "--peer", str(workload), "--molecules", str(options.molecules)]
        pairs = [(run(ours, options.core), run(theirs, options.core)) for _ in range(options.rounds)]
    print(f"{'':<28}{'dipm':>12}{'mlip':>12}{'mlip/dipm':>12}")
    rows = {
        "train_cpu_s": "CPU s per training step",
        "train_wall_s": "wall s per training step",
        "peak_rss_mib": "peak memory, MiB",
        "first_step_s": "start to first step, s",
    }
    for key, name in rows.items():
        dipm, mlip = (min(pair[side][key] for pair in pairs) for side in (0, 1))
        print(f"{name:<28}{dipm:>12.4f}{mlip:>12.4f}{mlip / dipm:>12.2f}")
    print(f"{'parameters':<28}{pairs[0][0]['params']:>12}{pairs[0][1]['params']:>12}")


if __name__ == "__main__":
    main()
