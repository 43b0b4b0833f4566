//! What a knob chooses from.

/// Declares an enum whose variants a byte chooses from, modulo their number. The first one is what zero
/// chooses.
macro_rules! choices {
    ($(
        $(#[$about:meta])*
        pub enum $name:ident { $($(#[$doc:meta])* $variant:ident,)+ }
    )+) => {
        $(
            $(#[$about])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
            pub enum $name { $($(#[$doc])* $variant,)+ }

            impl $name {
                const ALL: &[Self] = &[$(Self::$variant),+];

                pub(crate) fn choose(by: impl Into<usize>) -> Self {
                    Self::ALL[by.into() % Self::ALL.len()]
                }
            }
        )+
    };
}

pub(crate) use choices;

choices! {
    /// In which order units lie in the file.
    pub enum Order {
        /// As on the disk.
        Ascending,
        /// The disk's last first.
        Descending,
        /// Every second one, then the others.
        OddFirst,
        /// All at one place.
        Shared,
    }
}

impl Order {
    /// Which of `length` units on the disk is the `nth` in the file.
    pub(crate) fn unit(self, nth: usize, length: usize) -> usize {
        match self {
            Self::Ascending | Self::Shared => nth,
            Self::Descending => length - 1 - nth,
            Self::OddFirst if nth < length / 2 => 2 * nth + 1,
            Self::OddFirst => 2 * (nth - length / 2),
        }
    }
}
