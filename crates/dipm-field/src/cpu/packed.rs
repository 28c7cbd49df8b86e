//! Numbers of 16 bits: packing, unpacking, and rows that are unpacked while they are read.

use super::lanes::Lanes;
use crate::Half;

/// A row of numbers that a kernel reads, in whichever format.
pub(crate) trait Row<L: Lanes>: Copy {
    /// `N` numbers from entry `at` on.
    ///
    /// # Safety
    /// As for every method of [`Lanes`].
    unsafe fn load(self, at: usize) -> L::V;
    /// `n` ≤ N numbers from entry `at` on, then zeros.
    ///
    /// # Safety
    /// As for [`Row::load`].
    unsafe fn load_part(self, at: usize, n: usize) -> L::V;
    /// One number.
    ///
    /// # Safety
    /// As for [`Row::load`].
    unsafe fn one(self, at: usize) -> L::T;
}

impl<L: Lanes> Row<L> for *const L::T {
    #[inline(always)]
    unsafe fn load(self, at: usize) -> L::V {
        unsafe { L::load(self.add(at)) }
    }
    #[inline(always)]
    unsafe fn load_part(self, at: usize, n: usize) -> L::V {
        unsafe { L::load_part(self.add(at), n) }
    }
    #[inline(always)]
    unsafe fn one(self, at: usize) -> L::T {
        unsafe { *self.add(at) }
    }
}

/// A row of numbers of 16 bits.
#[derive(Clone, Copy)]
pub(crate) struct Packed(pub *const u16, pub Half);

impl<L: Lanes> Row<L> for Packed {
    #[inline(always)]
    unsafe fn load(self, at: usize) -> L::V {
        unsafe { L::widen(self.0.add(at), self.1) }
    }
    #[inline(always)]
    unsafe fn load_part(self, at: usize, n: usize) -> L::V {
        unsafe { L::widen_part(self.0.add(at), self.1, n) }
    }
    #[inline(always)]
    unsafe fn one(self, at: usize) -> L::T {
        use super::lanes::Number;
        unsafe { L::T::from_f64(f64::from(self.1.number(*self.0.add(at)))) }
    }
}

/// Rounds the `width` numbers of a row.
///
/// # Safety
/// `from` must be readable and `to` writable over the row.
#[inline(always)]
pub(crate) unsafe fn pack<L: Lanes>(half: Half, from: *const L::T, width: usize, to: *mut u16) {
    unsafe {
        let whole = width / L::N * L::N;
        for at in (0..whole).step_by(L::N) {
            L::narrow(to.add(at), half, L::load(from.add(at)));
        }
        let rest = width - whole;
        if rest > 0 {
            L::narrow_part(
                to.add(whole),
                half,
                rest,
                L::load_part(from.add(whole), rest),
            );
        }
    }
}

/// Widens the `width` numbers of a row.
///
/// # Safety
/// As for [`pack`].
#[inline(always)]
pub(crate) unsafe fn unpack<L: Lanes>(half: Half, from: *const u16, width: usize, to: *mut L::T) {
    unsafe {
        let whole = width / L::N * L::N;
        for at in (0..whole).step_by(L::N) {
            L::store(to.add(at), L::widen(from.add(at), half));
        }
        let rest = width - whole;
        if rest > 0 {
            L::store_part(
                to.add(whole),
                rest,
                L::widen_part(from.add(whole), half, rest),
            );
        }
    }
}
