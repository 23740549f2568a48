//! The program as its users run it.

mod audit;
mod backup;
mod changes;
mod command_line;
mod doctor;
mod erase;
mod install;
mod logs;
mod private_postgres;
mod rolling;
mod secrets;
mod serve;
mod settings;
mod webhooks;
mod where_it_is;
