//! What callgrind counted, as its file says it: what each instruction cost, and what each call did.
//!
//! The format is described in Valgrind's manual, "Callgrind Format Specification". Names are compressed
//! (`(3) name` the first time, `(3)` from then on) and positions may be relative to the line before. What is
//! not needed is passed over: lines of source, and how often a call was made. What is not understood is an
//! error, and so is a file whose costs do not add up to the total at its end.

use std::collections::HashMap;

use anyhow::{Context, Result, bail, ensure};

/// A function that was executed, as an index into [`Profile::functions`].
pub type FunctionIndex = usize;

/// The name of a function, and the object (executable or library) that it is in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Function {
    /// The object's path.
    pub object: String,
    /// The name, as the object has it.
    pub name: String,
}

/// What the instructions at an address executed, without what they called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// The function that they are in.
    pub function: FunctionIndex,
    /// Their address in the object.
    pub address: u64,
    /// How many were executed.
    pub instructions: u64,
}

/// What the calls from one place did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// The function that calls.
    pub caller: FunctionIndex,
    /// The address of the call in the caller's object.
    pub address: u64,
    /// The function that is called.
    pub callee: FunctionIndex,
    /// The instructions of the function called and of all that it calls.
    pub instructions: u64,
}

/// What callgrind counted.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Every function.
    pub functions: Vec<Function>,
    /// What was executed where.
    pub costs: Vec<Cost>,
    /// What was called from where.
    pub calls: Vec<Call>,
    /// All instructions.
    pub total: u64,
}

/// Reads callgrind's file, which must have been written with `--dump-instr=yes`.
///
/// # Errors
/// When it is not understood, with the line.
pub fn parse(text: &str) -> Result<Profile> {
    let mut parser = Parser::default();
    for (number, line) in text.lines().enumerate() {
        parser
            .line(line)
            .with_context(|| format!("line {} of callgrind's file: {line:?}", number + 1))?;
    }
    parser.finish()
}

#[derive(Debug, Default)]
struct Parser {
    profile: Profile,
    indices: HashMap<Function, FunctionIndex>,
    objects: Names,
    names: Names,
    object: String,
    function: Option<FunctionIndex>,
    /// The object and name of the function that the next `calls=` is of.
    called: (Option<String>, Option<String>),
    /// After a `calls=` line: the function whose cost the next line says.
    callee: Option<FunctionIndex>,
    /// How many positions each line of costs begins with, the first of which is the address.
    positions: usize,
    address: u64,
    total: Option<u64>,
}

impl Parser {
    fn line(&mut self, line: &str) -> Result<()> {
        let line = line.trim_end();
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if line.starts_with(|c: char| c.is_ascii_digit() || "+-*".contains(c)) {
            return self.costs(line);
        }
        if let Some((key, value)) = line.split_once('=')
            && !key.contains([':', ' '])
        {
            return self.assignment(key, value);
        }
        let (key, value) = line.split_once(':').context("neither cost nor header")?;
        match key {
            "positions" => {
                self.positions = value.split_whitespace().count();
                ensure!(
                    value.split_whitespace().next() == Some("instr"),
                    "without addresses of instructions"
                );
            }
            "events" => ensure!(
                value.split_whitespace().next() == Some("Ir"),
                "its first event is not instructions"
            ),
            "totals" => {
                let total = value.split_whitespace().next().unwrap_or("0");
                *self.total.get_or_insert_default() += total.parse::<u64>()?;
            }
            // The others say when and how it was made.
            _ => {}
        }
        Ok(())
    }

    fn assignment(&mut self, key: &str, value: &str) -> Result<()> {
        match key {
            "ob" => self.object = self.objects.expand(value)?,
            "cob" => self.called.0 = Some(self.objects.expand(value)?),
            "fn" => {
                let name = self.names.expand(value)?;
                self.function = Some(self.index(self.object.clone(), name));
            }
            "cfn" => self.called.1 = Some(self.names.expand(value)?),
            "calls" => {
                let (object, name) = std::mem::take(&mut self.called);
                let name = name.context("a call of no function")?;
                let object = object.unwrap_or_else(|| self.object.clone());
                self.callee = Some(self.index(object, name));
            }
            // Files: the addresses say more.
            "fl" | "fi" | "fe" | "cfi" | "cfl" => {}
            _ => bail!("an unknown assignment"),
        }
        Ok(())
    }

    /// Positions and costs: of the function itself, or of a call after `calls=`.
    fn costs(&mut self, line: &str) -> Result<()> {
        ensure!(self.positions > 0, "costs before `positions`");
        let mut fields = line.split_whitespace();
        let address = fields.next().context("no address")?;
        self.address = position(address, self.address)?;
        let instructions = fields.nth(self.positions - 1);
        let instructions = instructions.map_or(Ok(0), str::parse)?;
        let function = self.function.context("costs of no function")?;
        match self.callee.take() {
            Some(callee) => self.profile.calls.push(Call {
                caller: function,
                address: self.address,
                callee,
                instructions,
            }),
            None => self.profile.costs.push(Cost {
                function,
                address: self.address,
                instructions,
            }),
        }
        Ok(())
    }

    fn index(&mut self, object: String, name: String) -> FunctionIndex {
        let function = Function { object, name };
        if let Some(&index) = self.indices.get(&function) {
            return index;
        }
        let index = self.profile.functions.len();
        self.profile.functions.push(function.clone());
        self.indices.insert(function, index);
        index
    }

    fn finish(mut self) -> Result<Profile> {
        self.profile.total = self.total.context("callgrind's file has no end")?;
        let sum: u64 = self
            .profile
            .costs
            .iter()
            .map(|cost| cost.instructions)
            .sum();
        ensure!(
            sum == self.profile.total,
            "callgrind's file has costs of {sum} instructions, and says {}",
            self.profile.total
        );
        Ok(self.profile)
    }
}

/// A position: hexadecimal, decimal, or relative to the one before.
fn position(text: &str, before: u64) -> Result<u64> {
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    let position = match text.as_bytes().first() {
        Some(b'*') => Some(before),
        Some(b'+') => before.checked_add(number(&text[1..])?),
        Some(b'-') => before.checked_sub(number(&text[1..])?),
        _ => Some(number(text)?),
    };
    position.context("a position out of range")
}

/// Compressed names: the text of each number.
#[derive(Debug, Default)]
struct Names(HashMap<u64, String>);

impl Names {
    fn expand(&mut self, value: &str) -> Result<String> {
        let Some(rest) = value.strip_prefix('(') else {
            return Ok(value.to_owned());
        };
        let (number, name) = rest.split_once(')').context("a name without its end")?;
        let number = number.parse()?;
        let name = name.trim_start();
        if !name.is_empty() {
            self.0.insert(number, name.to_owned());
        }
        self.0
            .get(&number)
            .cloned()
            .with_context(|| format!("name {number} was not said before"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a program in C: `work` calls `twice` three times and `memset` of the C library once.
    const SAMPLE: &str = include_str!("sample.callgrind");

    #[test]
    fn a_file_of_callgrind_is_understood() {
        let profile = parse(SAMPLE).unwrap();
        let named = |name: &str| {
            let found = |function: &Function| function.name == name;
            profile.functions.iter().position(found).unwrap()
        };
        let own = |function| -> u64 {
            let of_it = profile
                .costs
                .iter()
                .filter(|cost| cost.function == function);
            of_it.map(|cost| cost.instructions).sum()
        };
        let (work, twice) = (named("work"), named("twice"));
        assert!(profile.functions[work].object.ends_with("/sample"));
        let calls: Vec<&Call> = profile
            .calls
            .iter()
            .filter(|call| call.caller == work && call.callee == twice)
            .collect();
        let called: u64 = calls.iter().map(|call| call.instructions).sum();
        assert_eq!(called, own(twice));
        let memset = profile
            .calls
            .iter()
            .find(|call| profile.functions[call.callee].object.contains("libc"))
            .unwrap();
        assert_eq!(memset.instructions, own(memset.callee));
        let all = (0..profile.functions.len()).map(own).sum::<u64>();
        assert_eq!(all, profile.total);
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        let says = |text: &str| format!("{:#}", parse(text).unwrap_err());
        let head = "positions: instr line\nevents: Ir\nob=(1) a\nfn=(1) f\n";
        let with = |rest: &str| says(&format!("{head}{rest}"));
        assert!(with("0x10 1 5\n").contains("has no end"));
        assert!(with("0x10 1 5\ntotals: 6\n").contains("costs of 5 instructions, and says 6"));
        assert!(with("fn=(2)\n").contains("name 2 was not said before"));
        assert!(with("jump=1 0x10 1\n").contains("an unknown assignment"));
        assert!(with("calls=1 0x10 1\n").contains("a call of no function"));
        assert!(with("-1 1 5\n").contains("out of range"));
        assert!(with("0x1g 1 5\n").contains("line 5"));
        assert!(says("positions: line\n").contains("without addresses"));
        assert!(says("events: Cycles\n").contains("not instructions"));
        assert!(says("0x10 1 5\n").contains("costs before `positions`"));
    }

    #[test]
    fn positions_may_be_relative() {
        let text = "positions: instr line\nevents: Ir\nob=(1) a\nfl=(1) x\nfn=(1) f\n0x10 7 5\n+3 * 2\n* +1 1\n\
                    cfn=(2) g\ncalls=2 0x100 1\n-1 -1 40\n\nfn=(2)\n0x100 1 40\ntotals: 48\n";
        let profile = parse(text).unwrap();
        let costs: Vec<_> = profile
            .costs
            .iter()
            .map(|cost| (cost.function, cost.address, cost.instructions))
            .collect();
        assert_eq!(
            costs,
            [(0, 0x10, 5), (0, 0x13, 2), (0, 0x13, 1), (1, 0x100, 40)]
        );
        let call = Call {
            caller: 0,
            address: 0x12,
            callee: 1,
            instructions: 40,
        };
        assert_eq!(profile.calls, [call]);
    }
}
