//! The tests of the tool: one program, so that they are built once and run side by side.

mod bad_input;
mod content;
mod damaged;
mod detection;
mod differential;
mod export;
mod help;
mod limits;
mod measure;
mod measure_chain;
mod measure_extents;
mod measure_files;
mod measure_holes;
mod measure_options;
mod measure_random;
mod qemu;
mod recipes;
mod scan;
mod seeds;
