//! `GET /api/v1/avatars`, and at `/public` and `/user/{user_id}` (docs/dialects/integer-id.md).

use axum::response::IntoResponse;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::integer_id::{IntegerId, IntegerIdError, query};
use crate::dialects::shared::time::Seconds;
use crate::domain::ids::MAX_NUMBER;
use crate::domain::{AgentNumber, Timestamp};
use crate::http::{PathOf, QueryPairs, Reply};
use crate::store::{AvatarScope, StoredAvatar};

/// Avatars in one response. The vendor's list has no pages, so it needs a limit.
const MAX_AVATARS: i64 = 1_000;
/// The cursor of the next page is in a header, because the response is an array.
static NEXT_CURSOR: HeaderName = HeaderName::from_static("x-next-cursor");

/// An avatar. Booleans are 0 and 1.
#[derive(Serialize, ToSchema)]
pub struct ListedAvatar {
    #[schema(example = 1)]
    id: i64,
    /// Always null, because there are no users here, only organizations.
    user_id: Option<i64>,
    #[schema(example = "Professional Avatar")]
    name: String,
    #[schema(example = "https://example.com/avatar.jpg")]
    url: String,
    voice_id: Option<String>,
    is_favorite: u8,
    is_public: u8,
    #[schema(value_type = String, format = DateTime)]
    created_at: Seconds,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Seconds,
}

impl From<StoredAvatar> for ListedAvatar {
    fn from(avatar: StoredAvatar) -> Self {
        Self {
            id: avatar.number,
            user_id: None,
            name: avatar.name,
            url: avatar.url,
            voice_id: avatar.voice_id,
            is_favorite: avatar.is_favorite.into(),
            is_public: avatar.is_public.into(),
            created_at: Seconds(avatar.created_at),
            updated_at: Seconds(avatar.updated_at),
        }
    }
}

/// List avatars
///
/// Newest first. If there are more than 1,000 avatars or 4 MiB, only the newest, with the header `X-Next-Cursor` for
/// the query parameter `cursor`.
#[utoipa::path(
    get,
    path = "/api/v1/avatars",
    params(("cursor" = Option<String>, Query, description = "`X-Next-Cursor` of an earlier response.")),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The avatars.", body = Vec<ListedAvatar>),
    )
)]
#[tracing::instrument(name = "integer_id.list_avatars", level = "debug", skip_all)]
pub async fn list_avatars(
    caller: Caller<IntegerId, purpose::ReadAgents>,
    pairs: QueryPairs,
) -> Result<(HeaderMap, Reply<Vec<ListedAvatar>>), IntegerIdError> {
    list(caller, &pairs, AvatarScope::All).await
}

/// List public avatars
///
/// The organization's avatars that are marked as public.
#[utoipa::path(
    get,
    path = "/api/v1/avatars/public",
    params(("cursor" = Option<String>, Query, description = "`X-Next-Cursor` of an earlier response.")),
    security(("api_key" = []), ("bearer" = [])),
    responses((status = 200, description = "As at `/api/v1/avatars`.", body = Vec<ListedAvatar>))
)]
#[tracing::instrument(name = "integer_id.list_public_avatars", level = "debug", skip_all)]
pub async fn list_public_avatars(
    caller: Caller<IntegerId, purpose::ReadAgents>,
    pairs: QueryPairs,
) -> Result<(HeaderMap, Reply<Vec<ListedAvatar>>), IntegerIdError> {
    list(caller, &pairs, AvatarScope::Public).await
}

/// List a user's avatars
///
/// There are no users here, only organizations. For every user the response has the organization's avatars.
#[utoipa::path(
    get,
    path = "/api/v1/avatars/user/{user_id}",
    params(
        ("user_id" = i64, Path, description = "A user's integer id."),
        ("cursor" = Option<String>, Query, description = "`X-Next-Cursor` of an earlier response."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "As at `/api/v1/avatars`, with a `Deprecation` header.", body = Vec<ListedAvatar>),
        (status = 404, description = "The `user_id` is not a number that a user could have."),
    )
)]
#[deprecated = "the vendor's documentation withdrew this path; it is still served"]
#[tracing::instrument(name = "integer_id.list_user_avatars", level = "debug", skip_all)]
pub async fn list_user_avatars(
    caller: Caller<IntegerId, purpose::ReadAgents>,
    path: PathOf<IntegerId, String>,
    pairs: QueryPairs,
) -> impl IntoResponse {
    let deprecation = [(HeaderName::from_static("deprecation"), HeaderValue::from_static("true"))];
    // Users' numbers would be written like agents' numbers.
    let listed = match path.0.parse::<AgentNumber>() {
        Ok(_) => list(caller, &pairs, AvatarScope::All).await,
        Err(_) => Err(IntegerIdError::NoSuchUser),
    };
    (deprecation, listed)
}

async fn list(
    caller: Caller<IntegerId, purpose::ReadAgents>,
    pairs: &QueryPairs,
    which: AvatarScope,
) -> Result<(HeaderMap, Reply<Vec<ListedAvatar>>), IntegerIdError> {
    let before = query::given(pairs, "cursor").map(cursor).transpose()?;
    let found = caller.store.avatars().newest(which, before, MAX_AVATARS).await?;
    let mut headers = HeaderMap::new();
    if let Some(last) = found.rows.last().filter(|_| found.is_full(MAX_AVATARS))
        && let Ok(value) = HeaderValue::try_from(format!("{}.{}", last.created_at.timestamp_millis(), last.number))
    {
        headers.insert(NEXT_CURSOR.clone(), value);
    }
    Ok((headers, Reply(StatusCode::OK, found.rows.into_iter().map(ListedAvatar::from).collect())))
}

/// Reads the cursor of a page: the time and the number of the avatar before it.
fn cursor(text: &str) -> Result<(Timestamp, i64), IntegerIdError> {
    let read = || {
        let (at, number) = text.split_once('.')?;
        let at = at.parse().ok().filter(|at| (0..253_402_300_800_000).contains(at));
        let number = number.parse().ok().filter(|number| (1..=MAX_NUMBER).contains(number))?;
        Some((at.and_then(Timestamp::from_timestamp_millis)?, number))
    };
    read().ok_or(IntegerIdError::Invalid("Invalid cursor"))
}
