use http::StatusCode;

use crate::outbound::Unsent;

/// Why there is no answer, or no more of one. Nothing of what was said, and no secret, is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResponderError {
    /// No connection, or one that ended before anything of an answer came.
    #[error("the responder cannot be reached")]
    Unreachable,
    /// A step, or the whole answer, took longer than the deployment waits.
    #[error("the responder did not answer in time")]
    TimedOut,
    /// An answer with a status that is no success.
    #[error("the responder answered with status {}", .0.as_u16())]
    Rejected(StatusCode),
    /// Something came that is no answer, or only a part of one.
    #[error("the responder's answer cannot be read: {0}")]
    Garbled(&'static str),
    #[error("the responder's answer is too long")]
    TooLong,
    /// Its address is private, or another that must not be called from here.
    #[error("the responder's address is not allowed")]
    ForbiddenAddress,
    /// A redirect that is not followed: too many of them, one that turns a POST into a GET, or one that gives up TLS.
    #[error("the responder redirects to where it is not followed")]
    Redirected,
    /// The deployment lacks something that the responder needs.
    #[error("the responder is not set up: {0}")]
    Misconfigured(&'static str),
}

impl ResponderError {
    /// The word for it in metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::Rejected(_) => "refused",
            Self::Garbled(_) => "garbled",
            Self::TooLong => "too_long",
            Self::ForbiddenAddress => "forbidden_address",
            Self::Redirected => "redirected",
            Self::Misconfigured(_) => "misconfigured",
        }
    }

    /// Whether the same request may fare better a moment later. Nothing of an answer has come in these cases.
    pub(super) fn is_passing(self) -> bool {
        match self {
            Self::Unreachable => true,
            Self::Rejected(status) => status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error(),
            _ => false,
        }
    }
}

impl From<Unsent> for ResponderError {
    fn from(unsent: Unsent) -> Self {
        match unsent {
            Unsent::Unreachable => Self::Unreachable,
            Unsent::ForbiddenAddress => Self::ForbiddenAddress,
            Unsent::NotHttp => Self::Garbled("it is no HTTP"),
        }
    }
}
