//! A replay worker for `tests/coverage.rs` with one target. An input's first byte selects the function to call, and
//! its second is the argument.

use worker::{Case, Description, Events, Outcome, Part, Project, Target, TargetInfo};

fn main() -> std::io::Result<()> {
    worker::serve(&Project {
        targets: &[&Fixture],
        checks: &[],
        judged: &[],
    })
}

struct Fixture;

impl Target for Fixture {
    fn info(&self) -> TargetInfo {
        TargetInfo::new("fixture", "the functions of code", 2)
    }

    fn run(&self, data: &[u8]) -> Outcome {
        let &[function, value] = data else {
            return Outcome::Rejected("not two bytes");
        };
        std::hint::black_box(match function {
            b'b' => u64::from(code::branch(value)),
            b'1' => code::generic(value),
            b'4' => code::generic(u32::from(value)),
            _ => code::stops(value).map_or(0, u64::from),
        });
        Outcome::Checked
    }

    /// Reports even arguments.
    fn trace(&self, data: &[u8], events: &Events) -> Outcome {
        if data.last().is_some_and(|value| value % 2 == 0) {
            events.note("is even".into());
            events.note("is reported".into());
        }
        self.run(data)
    }

    fn describe(&self, data: &[u8]) -> Result<Description, String> {
        Ok(Description {
            part: Part::new("code"),
            case: Case {
                words: format!("{data:?}"),
                rust: String::new(),
            },
        })
    }

    fn fingerprint(&self, data: &[u8]) -> String {
        format!("{data:?}")
    }
}
