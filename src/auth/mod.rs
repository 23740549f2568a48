//! From credentials to a [`Principal`](crate::domain::Principal).
//!
//! A handler names [`Caller`] in its signature, with its dialect and its purpose. That is all it has to do for
//! authentication: when it runs, the caller is known, has the scope and is within the rate limit, and the store sees
//! only the caller's organization.

mod access_token;
mod admission;
mod anonymous;
mod api_key;
mod authenticator;
mod base_url;
mod body_allowance;
mod caller;
mod client_address;
mod console_login;
mod headerless;
mod headers;
mod jwt;
mod leaked_keys;
mod operators;
mod org_header;
mod provisioning;
mod published_keys;
pub mod purpose;
mod standing;
mod token;
mod visitor;

pub use access_token::AccessToken;
pub use admission::Admission;
pub use authenticator::{Authenticator, DefaultOrg};
pub use base_url::{BaseUrl, BaseUrlOf, InvalidBaseUrl};
pub use body_allowance::{Allowance, BodyAllowance};
pub use caller::Caller;
pub use console_login::{BegunLogin, LoginCredential, Page, login_cookie, logout_cookies};
pub use jwt::{JwtIssuer, JwtKey, JwtKeyError, JwtSettings, JwtVerifier};
pub use leaked_keys::LeakReports;
pub(crate) use leaked_keys::routes as leaked_key_routes;
pub use operators::{Operators, TrustedIssuers};
pub use provisioning::Provisioning;
pub use published_keys::KeySetSource;
pub(crate) use published_keys::is_protected;
pub use purpose::Purpose;
pub use standing::Standing;
pub use visitor::Visitor;
