//! Cores: which there are, and staying on one.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores that this process may use, ascending; none where the system does not say.
#[must_use]
pub fn allowed() -> Vec<usize> {
    let Ok(set) = sched_getaffinity(None) else {
        return Vec::new();
    };
    (0..CpuSet::MAX_CPU)
        .filter(|&core| set.is_set(core))
        .collect()
}

/// Whether the system pins to that core: it is tried, by a thread that ends then.
#[must_use]
pub fn pins(core: usize) -> bool {
    let pinned = std::thread::spawn(move || pin(core) && allowed() == [core]);
    pinned.join().unwrap_or(false)
}

/// A core for each of so many that run at once; none for those that find no core of their own.
#[must_use]
pub fn of_each(at_once: usize) -> Vec<Option<usize>> {
    let allowed = allowed();
    (0..at_once)
        .map(|nth| allowed.get(nth).copied().filter(|&core| pins(core)))
        .collect()
}

/// Does `work` on that core, and so do the processes that it starts; on any core when it is `None`.
pub fn on<T>(core: Option<usize>, work: impl FnOnce() -> T) -> T {
    let before = sched_getaffinity(None);
    let is_pinned = core.is_some_and(pin);
    let result = work();
    if let (true, Ok(before)) = (is_pinned, before) {
        // It was so before, so it can be so again.
        let _ = sched_setaffinity(None, &before);
    }
    result
}

/// Pins this thread.
fn pin(core: usize) -> bool {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_done_on_the_core_and_then_everywhere() {
        let before = allowed();
        let core = *before.last().unwrap();
        assert!(pins(core));
        assert_eq!(on(Some(core), allowed), [core]);
        assert_eq!(on(None, allowed), before);
        assert_eq!(allowed(), before);
        assert!(!pins(CpuSet::MAX_CPU - 1), "there is no such core here");
    }
}
