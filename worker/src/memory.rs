//! How much memory the code under test takes: counted where a project has [`count_memory!`](crate::count_memory).

pub use cap::Cap;
pub use peak_alloc::PeakAlloc;

/// The most bytes that such a process gets. Beyond them an allocation fails, which ends most programs.
pub const MOST: usize = 4 << 30;

/// The allocator of a process whose memory is counted, and bounded by [`MOST`].
pub type Counting = Cap<PeakAlloc>;

/// The allocator.
pub const fn counting() -> Counting {
    Cap::new(PeakAlloc, MOST)
}

/// Declares the process's allocator, so that its memory is counted. It stands in each program whose code under test is
/// judged so: the replay worker, and the engines' targets that scan.
#[macro_export]
macro_rules! count_memory {
    () => {
        #[global_allocator]
        static COUNTING: $crate::memory::Counting = $crate::memory::counting();
    };
}

/// Whether this process's memory is counted.
pub fn is_counted() -> bool {
    PeakAlloc.current_usage() > 0
}

/// Measures the peak from now on.
#[derive(Debug)]
pub struct Meter {
    before: usize,
}

impl Meter {
    /// Starts to measure. There is one at a time: a second one starts the first one anew.
    pub fn start() -> Self {
        PeakAlloc.reset_peak_usage();
        Self {
            before: PeakAlloc.current_usage(),
        }
    }

    /// The most bytes that were allocated at once since the start, beside those from before; 0 where nothing is
    /// counted.
    pub fn peak(&self) -> u64 {
        PeakAlloc.peak_usage().saturating_sub(self.before) as u64
    }
}
