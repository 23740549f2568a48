use http::StatusCode;

use crate::outbound::Unsent;

/// Why a reply is missing or incomplete. It contains no secret and no text of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResponderError {
    /// There was no connection, or it ended before any part of a response arrived.
    #[error("the responder cannot be reached")]
    Unreachable,
    /// A step, or the whole reply, took longer than the deployment waits.
    #[error("the responder did not reply in time")]
    TimedOut,
    /// The response has an error status.
    #[error("the responder returned status {}", .0.as_u16())]
    Rejected(StatusCode),
    /// The response is not a reply, or only a part of one.
    #[error("the responder's reply cannot be read: {0}")]
    Garbled(&'static str),
    #[error("the responder's reply is too long")]
    TooLong,
    /// The address is private, or another address that the service must not call.
    #[error("the responder's address is not allowed")]
    ForbiddenAddress,
    /// A redirect that is not followed: there are too many, or it turns a POST into a GET, or it leads from https to
    /// http or to a URL that is not allowed.
    #[error("the responder's redirect is not followed")]
    Redirected,
    /// The deployment lacks something that the responder needs.
    #[error("the responder is not set up: {0}")]
    Misconfigured(&'static str),
}

impl ResponderError {
    /// Returns its label in metrics.
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

    /// Returns whether the same request may succeed a moment later. No part of a reply has arrived in these cases.
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
