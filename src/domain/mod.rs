//! The rules of a session, without I/O, SQL or HTTP.
//!
//! Time and randomness are passed in ([`Clock`], [`Mint`]), so every rule is a plain function of its arguments.

pub mod agent;
pub mod allowed_addresses;
pub mod api_key;
pub mod api_name;
pub mod audit;
pub mod calendar;
pub mod capture;
pub mod clock;
pub mod contact;
mod crockford;
pub mod dialect;
pub mod erasure;
pub mod event;
pub mod expiry;
pub mod grams;
pub mod idempotency;
pub mod ids;
pub mod image;
pub mod issued_key;
pub mod json;
pub mod login_secret;
pub mod metadata_filter;
pub mod mint;
pub mod organization;
pub mod patch;
pub mod principal;
pub mod quota;
pub mod responder;
pub mod sealing;
pub mod session;
pub mod session_user;
pub mod trace;
pub mod turn;
pub mod webhook;

pub use agent::{Agent, AgentRef, Avatar, NewAgent};
pub use allowed_addresses::{AllowedAddresses, InvalidAddresses};
pub use api_key::{ApiKey, KeyHash, KeyPrefix};
pub use api_name::ApiName;
pub use audit::{Action, Actor, Identity};
pub use capture::{CaptureFacts, NewCapture, NewSpan, SpanForm};
pub use clock::Clock;
pub use contact::Contact;
pub use dialect::{Contract, DialectName};
pub use erasure::ErasureScope;
pub use event::{Event, NewEvent};
pub use idempotency::IdempotencyKey;
pub use ids::{
    AgentId, AgentKey, AgentNumber, DeliveryId, ErasureId, EventId, ImageAddress, ImageId, KeyId, OrgId, SessionId,
    SessionKey, SessionNumber, WebhookId,
};
pub use image::{IMAGE_LIMIT, ImageFormat};
pub use issued_key::{IssuedKey, KEY_EXPIRY_WARNING, KeyState};
pub use json::{JsonFault, JsonField, JsonText};
pub use login_secret::LoginSecret;
pub use mint::Mint;
pub use organization::{Organization, RateLimits};
pub use patch::Patch;
pub use principal::{Credential, Principal, Proof, Scope, Scopes};
pub use quota::{Permit, Quota};
pub use responder::Responder;
pub use session::{NewSession, Session};
pub use session_user::SessionUser;
pub use turn::{Fingerprint, OpenTurn, SentBy};
pub use webhook::WebhookEvent;

/// A time in UTC with whole milliseconds, which every dialect can represent and Postgres returns unchanged.
pub type Timestamp = chrono::DateTime<chrono::Utc>;
