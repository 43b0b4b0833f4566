//! What answers an input gets: events that a corpus keeps an input for.
//!
//! A kind of answer may have no branch of its own in the code under test. The code under test is asked through a
//! subject that listens, so this holds for every target and knows no input layout.

use types::{AllocationSummary, Options};
use worker::Events;

use crate::answers;
use crate::library::Reader;
use crate::subject::{
    Calculators, Detection, Detector, Facts, Measured, MockDevice, Refusal, ScanAnswer, ScanError,
    ScanRequest, Scanner, Subject,
};

/// A subject that notes the kind of every answer.
pub(crate) struct Listening<'a> {
    subject: &'a Subject<'a>,
    events: &'a Events,
}

impl<'a> Listening<'a> {
    pub(crate) fn new(subject: &'a Subject<'a>, events: &'a Events) -> Self {
        Self { subject, events }
    }

    pub(crate) fn subject(&self) -> Subject<'_> {
        Subject {
            calculators: self,
            scanner: self,
            detector: self.subject.detector.map(|_| self as &dyn Detector),
            ..*self.subject
        }
    }

    fn note(&self, who: &str, kind: &str) {
        self.events.note(format!("{who}: {kind}"));
    }

    fn measured(&self, who: &str, answer: Measured) -> Measured {
        match &answer {
            Ok(output) if output.required == output.fully_allocated => self.note(who, "full"),
            Ok(_) => self.note(who, "sparse"),
            Err(why) => self.note(who, &format!("{why:?}")),
        }
        answer
    }
}

impl Calculators for Listening<'_> {
    fn measure(&self, summary: &AllocationSummary, options: &Options) -> Measured {
        let answer = self.subject.calculators.measure(summary, options);
        self.measured(options.name(), answer)
    }
    fn unit(&self, options: &Options, virtual_size: u64) -> Option<u64> {
        self.subject.calculators.unit(options, virtual_size)
    }
    fn luks_payload(&self, key_bytes: u32, xts: bool) -> Option<u64> {
        self.subject.calculators.luks_payload(key_bytes, xts)
    }
    fn has_own_sizes(&self) -> bool {
        self.subject.calculators.has_own_sizes()
    }
    fn not_supported(&self, options: &Options) -> Option<&'static str> {
        self.subject.calculators.not_supported(options)
    }
}

impl Scanner for Listening<'_> {
    fn scan(&self, request: ScanRequest<'_>) -> ScanAnswer {
        self.subject.scanner.scan(request)
    }

    fn scan_device(&self, device: &MockDevice<'_>, request: ScanRequest<'_>) -> ScanAnswer {
        let who = format!("a scan of {}", request.format.name());
        let answer = self.subject.scanner.scan_device(device, request);
        match &answer.result {
            Ok(summary) if summary.allocated_bytes == 0 => self.note(&who, "empty"),
            Ok(summary) if summary.allocated_bytes == summary.virtual_size => {
                self.note(&who, "full");
            }
            Ok(_) => self.note(&who, "some data"),
            // Our own scanners' words name what is wrong. A sector, and another library's words, may be any.
            Err(Refusal::Error(error)) if !matches!(error, ScanError::Io { .. }) => {
                self.note(&who, &format!("{error:?}"));
            }
            Err(refusal) => self.note(&who, &answers::kind_of(refusal)),
        }
        answer
    }

    fn facts(&self, request: ScanRequest<'_>) -> Result<Option<Facts>, Refusal> {
        self.subject.scanner.facts(request)
    }

    fn reader(&self) -> Option<Reader> {
        self.subject.scanner.reader()
    }
}

/// Asked only where there is one.
impl Detector for Listening<'_> {
    fn detect(&self, device: &MockDevice<'_>) -> Detection {
        let found = self.subject.detector.expect("a detector").detect(device);
        if let Ok(formats) = found {
            self.note("a file", &formats.to_string());
        }
        found
    }

    fn descriptor(&self, text: &[u8]) -> Option<Result<String, usize>> {
        self.subject.detector?.descriptor(text)
    }
}
