//! What a knob chooses from.

/// Declares an enum whose variants a byte chooses from, modulo their number, each with its meaning. The
/// first one is what zero chooses.
macro_rules! choices {
    ($(
        $(#[$about:meta])*
        pub enum $name:ident { $($variant:ident: $doc:literal,)+ }
    )+) => {
        $(
            $(#[$about])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
            pub enum $name { $(#[doc = $doc] $variant,)+ }

            impl $name {
                /// All of them, in the order of what chooses.
                pub const ALL: [Self; [$(stringify!($variant)),+].len()] = [$(Self::$variant),+];

                pub(crate) fn choose(by: impl Into<usize>) -> Self {
                    crate::choices::choose(&Self::ALL, by)
                }
            }
        )+
    };
}

pub(crate) use choices;

/// The choice that a number makes, modulo how many there are.
pub(crate) fn choose<T: Copy, const N: usize>(from: &[T; N], by: impl Into<usize>) -> T {
    from[by.into() % N]
}

choices! {
    /// In which order units lie in the file.
    pub enum Order {
        Ascending: "As on the disk.",
        Descending: "The disk's last first.",
        OddFirst: "Every second one, then the others.",
        Shared: "All at one place.",
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
