//! The program as its users run it.

mod backup;
mod changes;
mod command_line;
mod install;
mod logs;
mod private_postgres;
mod serve;
mod webhooks;
