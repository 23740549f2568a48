//! Path parameters. Invalid ones are rejected in the dialect's own envelope.

use std::marker::PhantomData;

use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::dialect::Dialect;
use super::rejection::Rejection;

/// The decoded parameters of a path.
pub struct PathOf<D, T>(pub T, PhantomData<D>);

impl<D, T, S> FromRequestParts<S> for PathOf<D, T>
where
    D: Dialect,
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = D::Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        #[expect(clippy::disallowed_types, reason = "this is the extractor that the ban points to")]
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        path.map(|path| Self(path.0, PhantomData)).map_err(|_| Rejection::MalformedPath.into())
    }
}
