//! A comparison of engines that may take weeks, on disk: begun, killed, gone on with.
//!
//! Everything is below one [`folder`]:
//!
//! ```text
//! plan.json                            what must stay as it is: written when the rest below is there
//! builds/  seeds/  dictionaries/       copies of what all trials use, so that the project may change meanwhile
//! trials/TARGET/ENGINE/NNN/            a trial, its number from 001
//!     run/                             the engine's own folder
//!     finds/                           inputs that fail, named by content
//!     trial.json                       what the engine did and when: written last; without it the trial is
//!                                      not whole
//!     measured.json                    what it reached: a cache
//! unfinished/                          what trials left that did not end: they were run again
//! faults/                              hunts of planted faults, when there were some
//! report.json  summary.md  index.html  series.csv  against.json  against.md  faults.md
//! ```
//!
//! - [`plan`]: what is compared, and whether a comparison can go on.
//! - [`beginning`]: builds and copies, or what a killed comparison left.
//! - [`order`]: in which order trials are run.
//! - [`trial`] and [`measured`]: one trial, run and measured.
//! - [`schedule`]: trials side by side; [`cores`]: each on one of its own.
//! - [`faults`]: planted faults, hunted as often as there are trials.
//! - [`measuring`]: trials as a report's data; [`notes`]: how they ran; [`machine`]: on what; [`told`]: the report.
//! - [`leftovers`] and [`watcher`]: no engine outlives the tool for long.
//!
//! Every file but an engine's own is written beside its place and renamed, so a kill at any moment leaves
//! each trial either whole or to be run again, and never a mixture.

pub mod beginning;
pub mod cores;
pub mod faults;
pub mod folder;
pub mod leftovers;
pub mod machine;
pub mod measured;
pub mod measuring;
pub mod notes;
pub mod order;
pub mod plan;
pub mod schedule;
pub mod told;
pub mod trial;
pub mod watcher;
