//! Memory: aligned blocks, and the assignment of stored values to it.

/// Numbers in memory aligned to cache lines.
pub(crate) struct Arena<T> {
    blocks: Vec<Block>,
    length: usize,
    kind: std::marker::PhantomData<T>,
}

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Block([u8; 64]);

impl<T: Copy> Arena<T> {
    pub fn new() -> Self {
        Self {
            blocks: vec![],
            length: 0,
            kind: std::marker::PhantomData,
        }
    }

    /// Makes room for `length` numbers; what was there may be lost.
    pub fn reserve(&mut self, length: usize) {
        let blocks = (length * size_of::<T>()).div_ceil(64);
        if blocks > self.blocks.len() {
            // a new allocation, so that the old one is not copied
            self.blocks = vec![];
            self.blocks = vec![Block([0; 64]); blocks];
        }
        self.length = length;
    }

    pub fn pointer(&mut self) -> *mut T {
        self.blocks.as_mut_ptr().cast()
    }

    pub fn slice(&self, start: usize, length: usize) -> &[T] {
        assert!(start + length <= self.length, "slice of an arena");
        // SAFETY: the range is inside the allocation, whose bytes are initialised, and T is a
        // plain number for which any bits are valid.
        unsafe { std::slice::from_raw_parts(self.blocks.as_ptr().cast::<T>().add(start), length) }
    }

    /// Bytes allocated.
    pub fn bytes(&self) -> usize {
        self.blocks.len() * 64
    }
}

/// Ranges of an arena, handed out and taken back: best fit, neighbours joined.
#[derive(Default)]
pub(crate) struct Ranges {
    /// Free ranges (start, length), sorted by start.
    free: Vec<(usize, usize)>,
    /// End of the used part.
    pub end: usize,
}

impl Ranges {
    pub fn take(&mut self, length: usize) -> usize {
        let length = length.next_multiple_of(16);
        let best = self
            .free
            .iter()
            .enumerate()
            .filter(|(_, range)| range.1 >= length)
            .min_by_key(|(_, range)| range.1)
            .map(|(index, _)| index);
        if let Some(index) = best {
            let (start, room) = self.free[index];
            if room == length {
                self.free.remove(index);
            } else {
                self.free[index] = (start + length, room - length);
            }
            return start;
        }
        // grow the last free range if it ends where the used part ends
        if let Some(&(start, room)) = self.free.last()
            && start + room == self.end
        {
            self.free.pop();
            self.end = start + length;
            return start;
        }
        let start = self.end;
        self.end += length;
        start
    }

    pub fn give_back(&mut self, start: usize, length: usize) {
        let length = length.next_multiple_of(16);
        if length == 0 {
            return;
        }
        let index = self.free.partition_point(|range| range.0 < start);
        self.free.insert(index, (start, length));
        if index + 1 < self.free.len() && start + length == self.free[index + 1].0 {
            self.free[index].1 += self.free.remove(index + 1).1;
        }
        if index > 0 && self.free[index - 1].0 + self.free[index - 1].1 == start {
            self.free[index - 1].1 += self.free.remove(index).1;
        }
    }
}
