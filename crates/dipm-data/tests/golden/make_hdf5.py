"""Writes chunked.h5 and latest.h5 with h5py (libhdf5): pip install h5py numpy; python make_hdf5.py

The values are simple functions of the structure number, so that the test states them again.
"""

import h5py
import numpy as np


def vectors(count, seed):
    return np.array([[seed + i + 0.25 * k for k in range(3)] for i in range(count)])


# Chunked, compressed and checksummed arrays, unequal batches, two-digit numbers, `None` everywhere.
with h5py.File("chunked.h5", "w") as file:
    file.attrs["drop_last"] = False
    for batch, members in enumerate([11, 2]):
        for config in range(members):
            odd = config % 2 == 1
            group = file.create_group(f"config_batch_{batch}/config_{config}")
            count = 2 + config
            options = dict(chunks=(2, 3), compression="gzip", shuffle=True, fletcher32=True)
            group["atomic_numbers"] = np.array([8] + [1] * (count - 1), dtype=np.int64)
            positions = vectors(count, config).astype(np.float32 if odd else np.float64)
            group.create_dataset("positions", data=positions, **options)
            group["cell"] = "None" if config % 3 == 0 else np.eye(3) * 9
            group["pbc"] = "None" if config % 3 == 0 else np.array([True, True, False])
            group["weight"] = "None" if odd else 1.0
            group["config_type"] = "None" if odd else "Default"
            group.create_group("property_weights")
            properties = group.create_group("properties")
            properties["energy"] = 100.0 * batch + config if odd else np.array([100.0 * batch + config])
            properties.create_dataset("forces", data=-vectors(count, config), **options)
            properties["stress"] = "None" if odd else np.full((3, 3), 0.5)
            properties["total_charge"] = np.int64(-1)
            properties["total_spin"] = "None"

# Newest format of links and headers, fixed-length strings, single precision.
with h5py.File("latest.h5", "w", libver="latest") as file:
    for config in range(12):
        group = file.create_group(f"config_batch_0/config_{config}")
        group["atomic_numbers"] = np.array([8, 1], dtype=np.uint8)
        group["positions"] = vectors(2, config)
        group["cell"] = np.bytes_("None")
        group["pbc"] = np.bytes_("None")
        properties = group.create_group("properties")
        properties["energy"] = np.float32(config)
        properties["forces"] = np.zeros((2, 3))
