//! What a deployment expects of tokens.

use jsonwebtoken::Algorithm;

/// Seconds by which clocks may differ.
pub(super) const LEEWAY: f64 = 5.0;

/// What an issuer's tokens must say.
#[derive(Clone, Debug, Default)]
pub struct JwtSettings {
    /// `iss`; any, if the key itself is all the trust there is.
    pub issuer: Option<String>,
    /// Algorithms that tokens may be signed with; all that the issuer's keys have if empty.
    pub algorithms: Vec<Algorithm>,
    /// `aud` must hold one of them; any audience if empty.
    pub audiences: Vec<String>,
    /// `azp`, or `client_id` where there is none, must be one of them; any party if empty.
    pub authorized_parties: Vec<String>,
    /// The claim that names the organization, where the provider is not Clerk.
    pub org_claim: Option<String>,
    /// The claim that names the user's roles, where the provider is not Clerk.
    pub role_claim: Option<String>,
    /// Whether an organization is made when a token first names it.
    pub provisions: bool,
}
