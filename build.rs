//! The migrations and the console are parts of the program: a new file of them is reason enough to build it again.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=console/dist");
}
