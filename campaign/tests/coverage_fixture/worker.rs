//! A replay worker for `tests/coverage.rs`: the protocol, and one target. An input's first byte selects the function to
//! call, and its second is the argument.

#[allow(dead_code)]
mod batch;
#[allow(dead_code)]
mod counters;

use batch::Batch;
use counters::Watch;
use std::io::{BufRead, Write};
use std::panic::catch_unwind;

fn main() -> std::io::Result<()> {
    std::panic::set_hook(Box::new(|_| ()));
    let mut watching = Watching(Watch::from_environment()?);
    let mut input = std::io::stdin().lock();
    let mut output = std::io::stdout().lock();
    let mut request = String::new();
    while input.read_line(&mut request)? > 0 {
        let fields: Vec<&str> = request.trim_end().split('\t').collect();
        match fields[..] {
            ["batch", command, "fixture", inputs, bytes] => {
                let batch = Batch::parse(inputs, bytes).expect("two numbers");
                batch.answer_all(&mut input, &mut output, |data, line| {
                    if batch.inputs == 1 {
                        watching.reset()?;
                    }
                    watching.put(&answer(command, data), line)
                })?;
            }
            _ => {
                watching.reset()?;
                let mut line = Vec::new();
                let answer = match fields[..] {
                    ["checks"] => "checks".into(),
                    [command, "fixture", path] => match std::fs::read(path) {
                        Ok(data) => answer(command, &data),
                        Err(why) => format!("error\t{path}: {why}"),
                    },
                    _ => "error\tnot a request".into(),
                };
                watching.put(&answer, &mut line)?;
                line.push(b'\n');
                output.write_all(&line)?;
                output.flush()?;
            }
        }
        request.clear();
    }
    Ok(())
}

struct Watching(Option<Watch>);

impl Watching {
    fn reset(&mut self) -> std::io::Result<()> {
        self.0.as_mut().map_or(Ok(()), Watch::reset)
    }

    fn put(&mut self, answer: &str, line: &mut Vec<u8>) -> std::io::Result<()> {
        line.extend_from_slice(answer.as_bytes());
        let Some(watch) = &mut self.0 else {
            return Ok(());
        };
        line.push(b'\t');
        watch.put_after_input(line)
    }
}

/// The answer to `run` and to `trace`, which reports even arguments.
fn answer(command: &str, data: &[u8]) -> String {
    let verdict = run(data);
    match command {
        "run" => verdict,
        "trace" if data.last().is_some_and(|value| value % 2 == 0) => {
            format!("traced\tis even\\nis reported\t{verdict}")
        }
        "trace" => format!("traced\t\t{verdict}"),
        _ => "error\tno such command".into(),
    }
}

fn run(data: &[u8]) -> String {
    let &[function, value] = data else {
        return "rejected\tnot two bytes".into();
    };
    let run = || match function {
        b'b' => u64::from(code::branch(value)),
        b'1' => code::generic(value),
        b'4' => code::generic(u32::from(value)),
        _ => code::stops(value).map_or(0, u64::from),
    };
    match catch_unwind(run) {
        Ok(result) => {
            std::hint::black_box(result);
            "pass".into()
        }
        Err(_) => "fail\tno_panic\tit panicked".into(),
    }
}
