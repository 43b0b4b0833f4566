//! The same work for many things, on several cores at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::Result;

use super::judge::Bench;

/// Does `work` for each of `which`, in threads that each `begin` with something of their own, under a line of
/// progress. Returns the results with what they are of, ascending; `None` of `work` ends the pool early.
///
/// # Errors
/// The first of `begin` or `work`.
pub(super) fn for_each<S, T: Send>(
    bench: &Bench,
    (what, things): (&str, &str),
    which: &[usize],
    begin: impl Fn() -> Result<S> + Sync,
    work: impl Fn(&mut S, usize) -> Result<Option<T>> + Sync,
) -> Result<Vec<(usize, T)>> {
    if which.is_empty() {
        return Ok(Vec::new());
    }
    let line = bench.progress.counted(what, things, which.len() as u64);
    let done = Mutex::new((line, Vec::new()));
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..bench.cores.min(which.len()))
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    let mut own = begin()?;
                    while let Some(&index) = which.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let Some(result) = work(&mut own, index)? else {
                            break;
                        };
                        let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                        done.0.step();
                        done.1.push((index, result));
                    }
                    Ok(())
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("a thread of triage does not panic")?;
        }
        Ok::<_, anyhow::Error>(())
    })?;
    let (line, mut results) = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    line.done(&bench.progress);
    results.sort_by_key(|&(index, _)| index);
    Ok(results)
}
