//! The migrations are part of the program: a new one is reason enough to build it again.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
