//! What is known of a request while it is served.

use std::sync::{Arc, OnceLock};

use super::large_body::{LargeBodies, MaybeLarge, Sender};
use super::rate_status::RateStatus;
use crate::domain::OrgId;
use crate::store::CountedRequest;

/// What is known of a request. It is filled in while the request is served, and read for the response.
#[derive(Debug, Default)]
pub struct RequestRecord {
    pub id: String,
    pub org: OnceLock<OrgId>,
    pub rate: OnceLock<RateStatus>,
    /// The request as it was counted, once the caller is known.
    pub counted: OnceLock<CountedRequest>,
    /// The sender of the body, once the caller is known.
    pub sender: OnceLock<Sender>,
    /// The body, which counts until the request is served.
    pub body: OnceLock<MaybeLarge>,
    pub large_bodies: Option<LargeBodies>,
    /// Another limit that the request exceeded after it had been counted.
    pub exceeded: OnceLock<RateStatus>,
    /// Set when the request was rejected because of its body's encoding.
    pub encoding_rejected: OnceLock<()>,
}

/// The record of the current request, in its extensions.
#[derive(Clone, Debug)]
pub struct Record(pub Arc<RequestRecord>);
