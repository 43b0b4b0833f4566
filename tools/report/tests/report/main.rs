//! The tests of the report: one program, so that they are built once.

mod against;
mod analysis;
mod browser;
mod page;
mod sample;
