//! The program as its users run it.

mod command_line;
mod logs;
mod private_postgres;
mod serve;
mod webhooks;
