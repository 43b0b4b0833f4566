//! What a worker is held to: its environment decides, and its greeting has it.

use std::io::Write as _;
use std::process::{Command, Stdio};

use worker::protocol::{Hello, JUDGE_VARIABLE, Reply, Request, Response};

/// A worker's greeting when it is to judge this.
fn greeting(judge: &str) -> Reply {
    let mut worker = Command::new(env!("CARGO_BIN_EXE_replay_worker"))
        .env(JUDGE_VARIABLE, judge)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = worker.stdin.take().unwrap();
    input.write_all(&Request::Hello.to_line()).unwrap();
    drop(input);
    let output = worker.wait_with_output().unwrap();
    Response::parse(&output.stdout).unwrap().reply
}

#[test]
fn a_worker_names_what_it_judges_and_refuses_what_it_cannot() {
    let Reply::Hello(Hello { judged, checks, .. }) = greeting("refusals") else {
        panic!("no greeting");
    };
    assert_eq!(judged, ["values", "refusals"]);
    let Reply::Hello(all) = greeting("all") else {
        panic!("no greeting");
    };
    assert!(all.checks.len() > checks.len() && all.judged.len() > 2);
    let Reply::Error(why) = greeting("values,speed") else {
        panic!("a greeting");
    };
    assert!(
        why.contains("\"speed\"") && why.contains(&all.judged.join(", ")),
        "{why}"
    );
}
