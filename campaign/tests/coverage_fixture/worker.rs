//! A replay worker for `tests/coverage.rs`: the protocol, and one target. An input's first byte says which function to
//! call, its second is the argument.

#[allow(dead_code)]
mod counters;

use counters::{Ended, Watch};
use std::io::{BufRead, Write};
use std::panic::catch_unwind;

fn main() -> std::io::Result<()> {
    std::panic::set_hook(Box::new(|_| ()));
    let mut watch = Watch::from_environment()?;
    let mut output = std::io::stdout().lock();
    for request in std::io::stdin().lock().lines() {
        let mut answer = answer(&request?.split('\t').collect::<Vec<_>>());
        if let Some(watch) = &mut watch {
            let failed = answer.starts_with("fail");
            let ended = if failed {
                Ended::Midway
            } else {
                Ended::Returned
            };
            answer = format!("{answer}\t{}", watch.line_after_input(ended)?);
        }
        writeln!(output, "{answer}")?;
    }
    Ok(())
}

fn answer(request: &[&str]) -> String {
    let (target, path) = match request {
        ["checks"] => return "checks".into(),
        ["run", target, path] => (target, path),
        _ => return "error\tnot a request".into(),
    };
    if *target != "fixture" {
        return "error\tno such target".into();
    }
    let data = match std::fs::read(path) {
        Ok(data) => data,
        Err(why) => return format!("error\t{why}"),
    };
    let [function, value] = data[..] else {
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
