//! Files that are damaged in small ways, and a run that watches what reading them costs.
//!
//! `PROPTEST_CASES` sets the number of cases, `PROPTEST_RNG_SEED` the seed (0 otherwise, so that a run can be
//! repeated). The number of cases is written to standard error, past the capture of the test harness.

#![allow(dead_code)] // each test takes what it needs

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};

/// Counts the memory of each thread, so that tests beside each other do not mix.
pub struct Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(change: isize) {
    // A thread that ends has no counters any more.
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + change);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

// SAFETY: everything is left to the allocator of the system; the counters do not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // both may be there at once
        count(size as isize);
        let moved = unsafe { System.realloc(pointer, layout, size) };
        count(-(layout.size() as isize));
        moved
    }
}

/// One change of a file. Places are shares of its length, in parts of 2³².
#[derive(Debug, Clone)]
pub enum Damage {
    Flip {
        at: u32,
        bit: u8,
    },
    Set {
        at: u32,
        value: u8,
    },
    Cut {
        at: u32,
    },
    Remove {
        at: u32,
        count: u8,
    },
    Repeat {
        at: u32,
        count: u8,
    },
    Insert {
        at: u32,
        bytes: Vec<u8>,
    },
    /// A number in binary, little endian: lengths, counts and addresses become wild.
    Number {
        at: u32,
        width: u8,
        value: u64,
    },
    /// A number in the text nearest to the place becomes another one.
    Digits {
        at: u32,
        text: &'static str,
    },
}

const WILD: [u64; 12] = [
    0,
    1,
    3,
    0xff,
    0x7fff,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0xffff_ffff,
    0x100_0000_0000,
    i64::MAX as u64,
    u64::MAX,
];

const DIGITS: [&str; 14] = [
    "0",
    "-1",
    "1",
    "7",
    "31",
    "1e3",
    "65536",
    "4294967295",
    "99999999999",
    "18446744073709551615",
    "1e308",
    "1e999",
    "-0.0",
    "[1, 2]",
];

fn one_damage() -> impl Strategy<Value = Damage> {
    // many places in headers, which stand first
    let at = || prop_oneof![3 => any::<u32>(), 1 => 0..u32::MAX / 16, 1 => 0..u32::MAX / 256];
    let bytes = prop::collection::vec(any::<u8>(), 1..12);
    prop_oneof![
        4 => (at(), 0..8_u8).prop_map(|(at, bit)| Damage::Flip { at, bit }),
        4 => (at(), any::<u8>()).prop_map(|(at, value)| Damage::Set { at, value }),
        1 => at().prop_map(|at| Damage::Cut { at }),
        1 => (at(), 1..40_u8).prop_map(|(at, count)| Damage::Remove { at, count }),
        1 => (at(), 1..40_u8).prop_map(|(at, count)| Damage::Repeat { at, count }),
        1 => (at(), bytes).prop_map(|(at, bytes)| Damage::Insert { at, bytes }),
        6 => (
            at(),
            prop::sample::select(vec![1, 2, 4, 8_u8]),
            prop::sample::select(WILD.to_vec())
        )
            .prop_map(|(at, width, value)| Damage::Number { at, width, value }),
        4 => (at(), prop::sample::select(DIGITS.to_vec()))
            .prop_map(|(at, text)| Damage::Digits { at, text }),
    ]
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len();
        let place = |at: u32| ((u64::from(at) * length as u64) >> 32) as usize;
        match self {
            _ if length == 0 => {}
            Self::Flip { at, bit } => bytes[place(*at)] ^= 1 << bit,
            Self::Set { at, value } => bytes[place(*at)] = *value,
            Self::Cut { at } => bytes.truncate(place(*at)),
            Self::Remove { at, count } => {
                let start = place(*at);
                bytes.drain(start..(start + usize::from(*count)).min(length));
            }
            Self::Repeat { at, count } => {
                let start = place(*at);
                let end = (start + usize::from(*count)).min(length);
                let part = bytes[start..end].to_vec();
                bytes.splice(start..start, part);
            }
            Self::Insert { at, bytes: new } => {
                let start = place(*at);
                bytes.splice(start..start, new.iter().copied());
            }
            Self::Number { at, width, value } => {
                // fields are aligned to 4 or 2 bytes as a rule
                let start = place(*at) & !(usize::from(*width).min(4) - 1);
                let new = &value.to_le_bytes()[..usize::from(*width)];
                let end = (start + new.len()).min(length);
                bytes[start..end].copy_from_slice(&new[..end - start]);
            }
            Self::Digits { at, text } => {
                let start = place(*at);
                let is_digit = |i: &usize| bytes[*i].is_ascii_digit();
                let Some(first) = (start..length).chain(0..start).find(is_digit) else {
                    return;
                };
                let is_part =
                    |i: &usize| bytes[*i].is_ascii_digit() || b".eE+-".contains(&bytes[*i]);
                let end = (first..length)
                    .take_while(is_part)
                    .last()
                    .map_or(first, |i| i + 1);
                bytes.splice(first..end, text.bytes());
            }
        }
    }
}

/// What a reader is given.
#[derive(Debug, Clone)]
pub enum Input {
    /// Anything.
    Random(Vec<u8>),
    /// A good file, by its number, damaged.
    Damaged { sample: usize, damages: Vec<Damage> },
}

impl Input {
    pub fn bytes(&self, samples: &[Vec<u8>]) -> Vec<u8> {
        match self {
            Self::Random(bytes) => bytes.clone(),
            Self::Damaged { sample, damages } => {
                let mut bytes = samples[*sample].clone();
                damages.iter().for_each(|damage| damage.apply(&mut bytes));
                bytes
            }
        }
    }
}

/// One case in eight is random bytes behind one of these beginnings, the others are damaged samples.
pub fn input(samples: usize, beginnings: &[&[u8]]) -> impl Strategy<Value = Input> + use<> {
    let mut beginnings: Vec<Vec<u8>> = beginnings.iter().map(|b| b.to_vec()).collect();
    beginnings.push(Vec::new());
    let random = (
        prop::sample::select(beginnings),
        prop::collection::vec(any::<u8>(), 0..400),
    );
    prop_oneof![
        1 => random.prop_map(|(mut bytes, more)| {
            bytes.extend(more);
            Input::Random(bytes)
        }),
        7 => (0..samples, prop::collection::vec(one_damage(), 1..5))
            .prop_map(|(sample, damages)| Input::Damaged { sample, damages }),
    ]
}

/// What a call gives, the heap that it needs on this thread, and its time.
pub fn measure<T>(call: impl FnOnce() -> T) -> (T, usize, Duration) {
    let (before, start) = (LIVE.get(), Instant::now());
    PEAK.set(before);
    let result = call();
    let memory = (PEAK.get() - before).max(0) as usize;
    (result, memory, start.elapsed())
}

/// What a run may cost.
pub struct Bounds {
    /// Cases, unless `PROPTEST_CASES` says otherwise.
    pub cases: u32,
    /// Bytes on the heap at once in one case.
    pub memory: usize,
}

/// Longest time of one case; most take a thousandth. The machine may be busy.
const LONGEST: Duration = Duration::from_secs(20);

/// Reads many inputs. `read` says whether the input was accepted; it fails by a panic, by too much memory or
/// by taking too long.
pub fn survive(
    name: &'static str,
    bounds: &Bounds,
    samples: &[Vec<u8>],
    strategy: impl Strategy<Value = Input>,
    read: impl Fn(&[u8]) -> bool,
) {
    for (number, sample) in samples.iter().enumerate() {
        assert!(read(sample), "sample {number} of {name} is not read");
    }
    let mut config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = bounds.cases;
    }
    if std::env::var_os("PROPTEST_RNG_SEED").is_none() {
        config.rng_seed = RngSeed::Fixed(0);
    }
    let (cases, accepted) = (Cell::new(0_u64), Cell::new(0_u64));
    let (most, slowest) = (Cell::new(0_usize), Cell::new(Duration::ZERO));
    let watch = Watch::start(name);
    let result = TestRunner::new(config).run(&strategy, |input| {
        let bytes = input.bytes(samples);
        watch.begin();
        let (is_accepted, memory, time) = measure(|| read(&bytes));
        watch.end();
        cases.set(cases.get() + 1);
        accepted.set(accepted.get() + u64::from(is_accepted));
        most.set(most.get().max(memory));
        slowest.set(slowest.get().max(time));
        if memory > bounds.memory {
            return Err(TestCaseError::fail(format!("{memory} bytes of memory")));
        }
        if time > LONGEST {
            return Err(TestCaseError::fail(format!("{time:?}")));
        }
        Ok(())
    });
    let line = format!(
        "{name}: {} cases, {} read and {} refused; at most {:.1} MiB and {:.0} ms in one\n",
        cases.get(),
        accepted.get(),
        cases.get() - accepted.get(),
        most.get() as f64 / 1048576.0,
        slowest.get().as_secs_f64() * 1e3,
    );
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    if let Err(error) = result {
        panic!("{name}: {error}");
    }
    assert!(
        cases.get() < 100 || accepted.get() < cases.get(),
        "every damage was accepted"
    );
}

/// Ends the process when one case hangs, which no check after it could see.
struct Watch(Arc<AtomicU32>);

const TICK: Duration = Duration::from_millis(200);

impl Watch {
    fn start(name: &'static str) -> Self {
        let since = Arc::new(AtomicU32::new(0));
        let shared = since.clone();
        std::thread::spawn(move || {
            // alone once the run is over
            while Arc::strong_count(&shared) > 1 {
                std::thread::sleep(TICK);
                // 0 while no case runs, else the ticks of this one
                let add = |ticks| (ticks > 0).then_some(ticks + 1);
                let ticks = shared.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
                if ticks.is_ok_and(|ticks| TICK * ticks > 3 * LONGEST) {
                    eprintln!("{name}: a case does not end");
                    std::process::exit(101);
                }
            }
        });
        Self(since)
    }

    fn begin(&self) {
        self.0.store(1, Ordering::Relaxed);
    }

    fn end(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}
