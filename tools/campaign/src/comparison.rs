//! A comparison of engines that may take weeks, on disk: started, killed, resumed.
//!
//! Everything is below one [`folder`]:
//!
//! ```text
//! plan.json                            what must stay as it is: written when the rest below is there
//! builds/  seeds/  dictionaries/       copies of what all trials use, so that the project may change meanwhile
//! nothing/                             the one byte from which trials from nothing start
//! trials/TARGET/ENGINE/NNN/            a trial, its number from 001; ENGINE may be `ensemble`, and TARGET is
//!                                      `TARGET-from-nothing` for trials from nothing
//!     run/                             the engine's own folder; pool/ there has what it kept, named by content
//!     finds/                           inputs that fail, named by content
//!     trial.json                       what the engine did and when: written last; without it the trial is
//!                                      not whole
//!     measured.json                    what it reached: a cache
//! unfinished/                          what trials left that did not end: they were run again
//! faults/                              hunts of planted faults, when there were some
//! report.json  summary.md  index.html  series.csv  against.md
//! ```
//!
//! Every file but an engine's own is written beside its place and renamed, so a kill at any moment leaves
//! each trial either whole or to be run again, and never a mixture.

pub(crate) mod check;
pub mod contestant;
pub mod folder;
pub mod hunts;
pub mod machine;
pub(crate) mod measured;
pub mod order;
pub mod plan;
pub(crate) mod reporting;
pub(crate) mod schedule;
pub(crate) mod start;
pub mod trial;
