#!/usr/bin/env python3
"""Makes the quickstart dataset: ethanol at 500 K, labelled with GFN2-xTB.

    python3 -m venv .venv
    .venv/bin/pip install tblite==0.8.0 ase==3.29.0 h5py==3.16.0 numpy==2.4.6
    .venv/bin/python scripts/make_quickstart_data.py [OUTPUT_DIRECTORY]

Four Langevin trajectories, two from each conformer of the molecule (OH group trans and gauche), are sampled every
50 fs after 1 ps of equilibration. Every frame is then labelled once more by a tightly converged single point. The
frames of all trajectories are shuffled and split 220 / 30 / 30 into ethanol_{train,valid,test}.h5, in the HDF5
layout of MACE (docs/formats.md). Everything is seeded and runs on one thread; it takes about a minute.
Energies are total energies in eV, forces are in eV/Å, positions in Å relative to the centre of mass.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import sys
from pathlib import Path

import h5py
import numpy as np
from ase import units
from ase.build import molecule
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import thermalize_momenta
from ase.optimize import BFGS
from tblite.ase import TBLite

TEMPERATURE = 500.0  # K
TIME_STEP = 0.5 * units.fs
FRICTION = 0.01 / units.fs
EQUILIBRATION_STEPS = 2000  # 1 ps
STEPS_BETWEEN_FRAMES = 100  # 50 fs
FRAMES_PER_TRAJECTORY = 70
TRAJECTORIES = [("trans", 1), ("trans", 2), ("gauche", 3), ("gauche", 4)]  # conformer, seed
SPLIT = {"train": 220, "valid": 30, "test": 30}
SPLIT_SEED = 0


def calculator(accuracy):
    """GFN2-xTB; a smaller `accuracy` converges the charges more tightly."""
    return TBLite(method="GFN2-xTB", accuracy=accuracy, verbosity=0)


def conformer(name):
    """The relaxed molecule, atoms in the order C C O H H H H H H (the fourth is the hydrogen of OH)."""
    atoms = molecule("CH3CH2OH")
    carbon_methyl, carbon_alcohol, oxygen, hydrogen = hydroxyl(atoms)
    atoms.set_dihedral(
        carbon_methyl, carbon_alcohol, oxygen, hydrogen, {"trans": 180.0, "gauche": 60.0}[name], indices=[hydrogen]
    )
    atoms.calc = calculator(1.0)
    BFGS(atoms, logfile=None).run(fmax=0.01)
    return atoms


def hydroxyl(atoms):
    """Indices of the chain C(H3) - C(H2) - O - H."""
    distances = atoms.get_all_distances()
    numbers = atoms.numbers
    oxygen = int(np.flatnonzero(numbers == 8)[0])
    hydrogens, carbons = np.flatnonzero(numbers == 1), np.flatnonzero(numbers == 6)
    carbon_alcohol, carbon_methyl = carbons[np.argsort(distances[oxygen, carbons])]
    hydrogen = hydrogens[np.argmin(distances[oxygen, hydrogens])]
    return int(carbon_methyl), int(carbon_alcohol), oxygen, int(hydrogen)


def trajectory(name, seed):
    """Yields the frames of one trajectory."""
    rng = np.random.default_rng(seed)
    atoms = conformer(name)
    thermalize_momenta(atoms, temperature_K=TEMPERATURE, rng=rng)
    dynamics = Langevin(atoms, TIME_STEP, temperature_K=TEMPERATURE, friction=FRICTION, rng=rng, fixcm=False)
    dynamics.run(EQUILIBRATION_STEPS)
    for _ in range(FRAMES_PER_TRAJECTORY):
        dynamics.run(STEPS_BETWEEN_FRAMES)
        frame = atoms.copy()
        frame.positions -= frame.get_center_of_mass()
        yield frame


def label(frame):
    """(energy in eV, forces in eV/Å) of a frame."""
    frame.calc = calculator(0.01)
    return frame.get_potential_energy(), frame.get_forces()


def write(path, labelled):
    """Writes frames as one group `config_batch_0`, fields as the dataset converter of dipm writes a molecule."""
    # libver: the compact headers of HDF5 1.8, half the size of the oldest ones for such small arrays.
    with h5py.File(path, "w", libver=("v108", "v108")) as file:
        file.attrs["drop_last"] = bool(len(labelled) % 2)
        batch = file.create_group("config_batch_0")
        for index, (frame, energy, forces) in enumerate(labelled):
            config = batch.create_group(f"config_{index}")
            config["atomic_numbers"] = frame.numbers.astype(np.int32)
            config["positions"] = frame.positions
            config["cell"] = np.zeros((3, 3))
            config["pbc"] = np.zeros(3, bool)
            config["weight"] = "None"
            config["config_type"] = "None"
            config.create_group("property_weights")
            properties = config.create_group("properties")
            properties["energy"] = np.float64(energy)
            properties["forces"] = forces


def check_forces(frame, forces, step=1e-3):
    """Stops unless the forces are -dE/dr by central differences."""
    worst = 0.0
    for atom in range(len(frame)):
        for axis in range(3):
            energies = []
            for sign in (1, -1):
                moved = frame.copy()
                moved.positions[atom, axis] += sign * step
                energies.append(label(moved)[0])
            numerical = -(energies[0] - energies[1]) / (2 * step)
            worst = max(worst, abs(numerical - forces[atom, axis]))
    print(f"largest difference between forces and -dE/dr of one frame: {worst:.1e} eV/Å")
    if worst > 1e-3:
        sys.exit("the forces are not the gradient of the energy")


def main():
    output = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent / "data" / "quickstart"
    output.mkdir(parents=True, exist_ok=True)
    frames = [frame for name, seed in TRAJECTORIES for frame in trajectory(name, seed)]
    labelled = [(frame, *label(frame)) for frame in frames]
    check_forces(labelled[0][0], labelled[0][2])
    order = np.random.default_rng(SPLIT_SEED).permutation(len(labelled))
    start = 0
    for role, count in SPLIT.items():
        chosen = [labelled[i] for i in order[start : start + count]]
        start += count
        path = output / f"ethanol_{role}.h5"
        write(path, chosen)
        energies = np.array([energy for _, energy, _ in chosen])
        norms = np.concatenate([np.linalg.norm(forces, axis=1) for _, _, forces in chosen])
        print(
            f"{path.name}: {count} structures, {path.stat().st_size} bytes, energy {energies.mean():.4f} ± "
            f"{energies.std():.4f} eV, force norm mean {norms.mean():.3f}, max {norms.max():.3f} eV/Å"
        )


if __name__ == "__main__":
    main()
