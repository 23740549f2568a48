//! A service that does nothing but hold an embedded Postgres, for tests that kill it.
//!
//! `holder DATA_DIR RELOCATION_ROOT [child]` prints `ready`, runs until its input ends, and prints
//! `stopped`. With `child` it first prints the process id of a child that inherits all there is to
//! inherit.

#![allow(clippy::print_stdout, reason = "it speaks to the program that runs it")]

use std::{error::Error, io, process::Command};

use sessionary::embedded_postgres::{EmbeddedPostgres, Search, Tuning};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let data_dir = arguments.next().ok_or("which data folder?")?;
    let relocation_root = arguments.next().ok_or("which folder for relocated clusters?")?.into();
    let tuning = Tuning { relocation_root, ..Tuning::throw_away() };
    let postgres = EmbeddedPostgres::start_with(data_dir.as_ref(), &Search::default(), &tuning).await?;
    if arguments.next().is_some() {
        println!("{}", Command::new("sleep").arg("600").spawn()?.id());
    }
    println!("ready");
    tokio::task::spawn_blocking(|| io::read_to_string(io::stdin())).await??;
    postgres.stop().await?;
    println!("stopped");
    Ok(())
}
