//! The command line: `sessionary` serves, `sessionary help` lists the other commands.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    sessionary::cli::main()
}
