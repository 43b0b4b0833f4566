//! `fuzz_target!` as a library of a replay worker: see [`worker`].

include!("../../fuzz_target.rs");

use std::sync::Once;

pub use worker;
use worker::{Case, Description, Outcome, Part, TargetInfo};

/// The target as a value, at the root of its crate.
#[doc(hidden)]
#[macro_export]
macro_rules! __entry {
    () => {
        #[doc(hidden)]
        pub const __ADOPTED: $crate::Functions = $crate::Functions {
            init: __adopted_init,
            run: __adopted_run,
            value: __adopted_value,
        };
    };
}

/// What `fuzz_target!` makes.
#[derive(Debug, Clone, Copy)]
pub struct Functions {
    /// Called once, before the first input.
    pub init: fn(),
    /// Runs an input; or why it is none.
    pub run: fn(&[u8]) -> Result<Corpus, &'static str>,
    /// The value that an input is, printed, where the target takes no bytes; or why it is none.
    pub value: fn(&[u8]) -> Result<Option<String>, &'static str>,
}

/// A target of a replay worker.
#[derive(Debug)]
pub struct Target {
    functions: Functions,
    name: &'static str,
    max_input: usize,
    dictionary: Option<&'static str>,
    ready: Once,
}

impl Target {
    /// The target called `name`, with inputs of at most `max_input` bytes, and with a dictionary at a path from the
    /// project's root.
    pub const fn new(
        functions: Functions,
        name: &'static str,
        max_input: usize,
        dictionary: Option<&'static str>,
    ) -> Self {
        let ready = Once::new();
        Self {
            functions,
            name,
            max_input,
            dictionary,
            ready,
        }
    }
}

impl worker::Target for Target {
    fn info(&self) -> TargetInfo {
        TargetInfo {
            dictionary: self.dictionary.map(ToOwned::to_owned),
            ..TargetInfo::new(self.name, "what the project fuzzes", self.max_input)
        }
    }

    fn run(&self, data: &[u8]) -> Outcome {
        self.ready.call_once(self.functions.init);
        match (self.functions.run)(data) {
            Ok(Corpus::Keep) => Outcome::Checked,
            Ok(Corpus::Reject) => Outcome::Rejected("the target rejects it"),
            Err(why) => Outcome::Rejected(why),
        }
    }

    fn describe(&self, data: &[u8]) -> Result<Description, String> {
        let value = (self.functions.value)(data)?;
        let words = value.unwrap_or_else(|| format!("{} bytes", data.len()));
        let rust = format!("{}(&{})", self.name, worker::literal::of(data));
        let part = Part::new(self.name);
        Ok(Description {
            part,
            case: Case { words, rust },
        })
    }

    fn fingerprint(&self, data: &[u8]) -> String {
        match (self.functions.value)(data) {
            Ok(Some(value)) => value,
            Ok(None) => data.escape_ascii().to_string(),
            Err(why) => why.to_owned(),
        }
    }
}
