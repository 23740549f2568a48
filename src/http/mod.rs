//! What all dialects share: the listener, the request context, bodies, limits, and the system routes.
//!
//! Nothing here depends on a particular dialect; each provides its envelope as a [`Dialect`].

mod body;
pub mod bounds;
mod byte_rate;
mod connection;
mod connections;
pub mod console;
mod content_encoding;
pub mod cors;
mod costly;
mod dialect;
pub mod event_stream;
pub mod frame;
mod large_body;
pub mod listener;
pub mod lookups;
mod low_priority;
mod meter;
mod network;
mod params;
mod query;
pub mod rate_limit;
mod rate_status;
mod readiness;
mod record;
mod rejection;
mod request_context;
mod request_id;
pub mod response_headers;
mod response_rate;
pub mod system_routes;

pub use body::{
    BODY_LIMIT, JsonBody, OptionalJsonBody, Reply, json_bytes, metered_bytes, metered_json_bytes, parse_json,
    parse_object,
};
pub use byte_rate::{ByteKind, ByteRate, PUBLIC_BODY_LIMIT};
pub use connection::LingerBounds;
pub use content_encoding::{ContentEncoding, UnpackError, has_zlib_frame, max_unpacked, unpacked};
pub use costly::{CostlyWork, Scan, Watch};
pub use dialect::{About, Deferred, Dialect, RateHeaders, Reset, reject};
pub use large_body::{AdmittedBody, LargeBodies, LargeBody, LargeBodyLimits, MaybeLarge, Sender, SendingRate};
pub use lookups::{Lookup, Lookups};
pub use low_priority::{LowPriority, LowPriorityThreads};
pub use meter::Meter;
pub use network::Network;
pub use params::PathOf;
pub use query::{QueryPairs, without_zero_fraction};
pub use rate_limit::{Class, OrgLimits, RateLimiter};
pub use rate_status::RateStatus;
pub use readiness::{Readiness, Ready};
pub use record::{Record, RequestRecord};
pub use rejection::{Forbidden, MediaType, RETRY_AFTER, Rejection, Unauthenticated};
pub use request_context::{ContextLayer, EnvelopeState, HANDLER_TIMEOUT, REPLY_TIMEOUT, StartedAt};
pub use response_rate::{ResponseLimits, ResponseRate};
