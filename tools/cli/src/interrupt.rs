//! Ctrl-C as a flag: long work looks at it and keeps what it has.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};

/// Set by Ctrl-C.
pub static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Makes Ctrl-C and SIGTERM set [`INTERRUPTED`] instead of ending this process. Fails when the handler cannot be
/// installed.
pub fn stop_on_ctrl_c() -> Result<()> {
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::SeqCst))
        .context("Ctrl-C cannot be handled")
}

/// Whether Ctrl-C was pressed.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}
