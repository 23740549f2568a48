//! What all dialects share: the listener, the doors, bodies, limits, and the house's own pages.
//!
//! Nothing here knows a dialect by name; each brings its envelope along as a [`Dialect`].

mod body;
mod byte_rate;
mod connection;
mod connections;
mod content_encoding;
pub mod cors;
mod costly;
mod dialect;
mod door;
pub mod event_stream;
pub mod frame;
pub mod house;
mod large_body;
pub mod listener;
pub mod lookups;
mod low_priority;
mod network;
mod params;
mod query;
pub mod rate_limit;
mod readiness;
mod refusal;
mod request_id;
pub mod response_headers;
mod response_rate;

pub use body::{
    BODY_LIMIT, JsonBody, Meter, OptionalJsonBody, Reply, json_bytes, metered_bytes, metered_json_bytes, parse_json,
    parse_object,
};
pub use byte_rate::{ByteKind, ByteRate, PUBLIC_BODY_LIMIT};
pub use connection::LingerBounds;
pub use content_encoding::{ContentEncoding, UnpackError, has_zlib_frame, max_unpacked, unpacked};
pub use costly::{CostlyWork, Scan, Watch};
pub use dialect::{About, Dialect, RateHeaders, Reset, refuse};
pub use door::{ANSWER_TIMEOUT, Doorway, HANDLER_TIMEOUT, Record, RequestRecord, StartedAt, door};
pub use large_body::{LargeBodies, LargeBody, LargeBodyLimits, MaybeLarge, Sender, SendingRate, Turn};
pub use lookups::{Lookup, Lookups};
pub use low_priority::{LowPriority, LowPriorityThreads};
pub use network::Network;
pub use params::PathOf;
pub use query::{QueryPairs, without_zero_fraction};
pub use rate_limit::{Class, RateLimiter, RateStatus};
pub use readiness::{Readiness, Ready};
pub use refusal::{Forbidden, MediaType, RETRY_AFTER, Refusal, Unauthenticated};
pub use response_rate::{ResponseLimits, ResponseRate};
