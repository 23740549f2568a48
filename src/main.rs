//! The command line: `sessionary` serves, `sessionary help` tells the rest.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    sessionary::cli::main()
}
