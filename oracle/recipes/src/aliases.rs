//! Entries of a directory that name a table which another entry names already.
//!
//! Tables that do not overlap fit the file together, so a scanner refuses an image whose directory names more.

/// The most sectors of 512 bytes that the tables named have together: a scan reads each of them.
const MOST_SECTORS: u64 = 1 << 15;
/// The most units that all these tables name.
const MOST_UNITS: u64 = 1 << 17;

/// How many empty entries behind the first table's name it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aliases {
    /// So many.
    Few(u64),
    /// As many as make the tables named fill the file, and so many more, less 8.
    Fit(u8),
}

impl Aliases {
    /// No entry does.
    pub const NONE: Self = Self::Few(0);

    /// How many of `free` entries do, in a file of `sectors`, when `named` tables of `table` sectors are named
    /// already, and the first of them names `units`.
    pub(crate) fn count(self, free: u64, sectors: u64, table: u64, named: u64, units: u64) -> u64 {
        match self {
            Self::Few(count) => count.min(free),
            Self::Fit(more) => {
                let wanted = sectors.min(MOST_SECTORS) / table + u64::from(more);
                let most = free.min(MOST_UNITS / units.max(1));
                wanted.saturating_sub(named + 8).min(most)
            }
        }
    }
}
