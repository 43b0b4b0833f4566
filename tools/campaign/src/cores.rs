//! Cores: which there are, and staying on some.

use anyhow::{Result, ensure};
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// How many cores this process may use.
pub fn count() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The cores that this process may use, ascending. A system that does not report them has cores all the same.
fn allowed() -> Vec<usize> {
    match sched_getaffinity(None) {
        Ok(set) => (0..CpuSet::MAX_CPU)
            .filter(|&core| set.is_set(core))
            .collect(),
        Err(_) => (0..count()).collect(),
    }
}

/// The first `count` of the cores that this process may use; all when `None`. Fails when there are fewer.
pub fn first(count: Option<usize>) -> Result<Vec<usize>> {
    let mut cores = allowed();
    let count = count.unwrap_or(cores.len());
    ensure!(
        (1..=cores.len()).contains(&count),
        "{count} cores are asked for, and this process may use {}",
        cores.len()
    );
    cores.truncate(count);
    Ok(cores)
}

/// Whether the system pins to that core: it is tried, by a thread that ends then.
fn pins(core: usize) -> bool {
    let pinned = std::thread::spawn(move || pin(None, &[core]) && allowed() == [core]);
    pinned.join().unwrap_or(false)
}

/// A core for each of so many that run at once; none for those that find no core of their own.
pub fn of_each(at_once: usize) -> Vec<Option<usize>> {
    let allowed = allowed();
    (0..at_once)
        .map(|nth| allowed.get(nth).copied().filter(|&core| pins(core)))
        .collect()
}

/// Does `work` on that core, and so do the processes that it starts; on any core when it is `None`.
pub fn on<T>(core: Option<usize>, work: impl FnOnce() -> T) -> T {
    let before = sched_getaffinity(None);
    let is_pinned = core.is_some_and(|core| pin(None, &[core]));
    let result = work();
    if let (true, Ok(before)) = (is_pinned, before) {
        // It was so before, so it can be so again.
        let _ = sched_setaffinity(None, &before);
    }
    result
}

/// Pins a process, or this thread when `None`, to some cores. Returns whether the system does.
pub(crate) fn pin(process: Option<Pid>, cores: &[usize]) -> bool {
    let mut set = CpuSet::new();
    for &core in cores {
        set.set(core);
    }
    sched_setaffinity(process, &set).is_ok()
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

    #[test]
    fn as_many_cores_as_there_are() {
        assert_eq!(first(Some(1)).unwrap(), allowed()[..1]);
        assert_eq!(first(None).unwrap(), allowed());
        assert!(first(Some(0)).is_err() && first(Some(1 << 20)).is_err());
    }
}
