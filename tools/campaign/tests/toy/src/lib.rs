//! One target, with two checks.
#![forbid(unsafe_code)]

use worker::{
    Answer, Check, Checks, Describe, Description, Layer, Outcome, Part, Project, Target, TargetInfo,
};

/// `decode` refuses what `decoded_length` refuses.
pub static REFUSES_THE_SAME: Check = Check::new(
    "runs.refuses_the_same",
    Layer::Metamorphic,
    "decoding and its length refuse the same inputs",
);

/// `decode` makes as many bytes as `decoded_length` promises.
pub static LENGTH_IS_EXACT: Check = Check::new(
    "runs.length_is_exact",
    Layer::Exact,
    "the length is that of what is decoded",
);

/// The project, as the replay worker serves it.
pub const PROJECT: Project<'_> = Project {
    targets: &[&Runs],
    checks: &[&REFUSES_THE_SAME, &LENGTH_IS_EXACT],
    judged: &[],
};

/// The target.
pub struct Runs;

/// Its input: all of it is coded.
struct Coded<'a>(&'a [u8]);

impl Describe for Coded<'_> {
    fn part(&self) -> Part {
        Part::new("decoder")
    }

    fn in_words(&self) -> String {
        format!("{} bytes of runs", self.0.len())
    }

    fn as_rust(&self) -> String {
        format!("runs::decoded_length(&{:?});", self.0)
    }
}

impl Target for Runs {
    fn info(&self) -> TargetInfo {
        TargetInfo {
            checks: Some("runs.".to_owned()),
            ..TargetInfo::new("fuzz_runs", "the run-length decoder", 64)
        }
    }

    fn run(&self, data: &[u8]) -> Outcome {
        if data.is_empty() {
            return Outcome::Rejected("nothing to decode");
        }
        let (decoded, length) = (runs::decode(data), runs::decoded_length(data));
        let actual = length.unwrap_or_default() as u64;
        let expected = decoded.as_ref().map_or(0, Vec::len) as u64;
        let mut checks = Checks::default();
        checks.evaluate(&REFUSES_THE_SAME, decoded.is_ok() == length.is_ok());
        checks.evaluate_if(length.is_ok(), &LENGTH_IS_EXACT, actual == expected);
        checks.conclude(&Coded(data), |violation| {
            let length = |value: u64| Answer::values([("length", value.into())]);
            violation.answered(length(actual), length(expected))
        });
        Outcome::Checked
    }

    fn describe(&self, data: &[u8]) -> Result<Description, String> {
        Ok(Description::from(&Coded(data)))
    }

    fn fingerprint(&self, data: &[u8]) -> String {
        format!("{data:?}")
    }
}

/// The target as an engine calls it.
pub fn fuzz_runs(data: &[u8]) {
    Runs.run(data);
}
