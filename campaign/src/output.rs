//! Standard output whose reader may go away: see [`cli::output`].

pub use cli::output::*;
