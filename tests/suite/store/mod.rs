//! The guarantees of the store.

mod agents;
mod backup;
mod cancellation;
mod captures;
mod changes;
mod console_links;
mod credentials;
mod fairness;
mod forks;
mod group_commit;
mod isolation;
mod key_uses;
mod lists;
mod migrations;
mod numbers;
mod plans;
mod remembered;
mod scans;
mod search;
mod storage;
mod usage_days;
mod users;
