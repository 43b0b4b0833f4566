//! The tests of the tool: one program, so that they are built once and run side by side.

mod adopt;
mod compare;
mod completions;
mod coverage;
mod coverage_fixture;
mod ensemble;
mod finds;
mod hunts_report;
mod interrupted;
mod minimize;
mod new;
mod oss_fuzz;
mod stand_in;
mod tool;
mod triage;
mod workflows;
