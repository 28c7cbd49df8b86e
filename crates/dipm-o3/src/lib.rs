//! Irreps, Clebsch-Gordan coefficients, harmonics, Wigner matrices and S2 grids.
