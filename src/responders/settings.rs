use std::time::Duration;

use secrecy::SecretString;

use super::ResponderError;
use crate::domain::responder::EnvName;
use crate::outbound::PrivateAddresses;

/// What a deployment decides about responders.
#[derive(Clone, Debug)]
pub struct RespondersSettings {
    pub private_addresses: PrivateAddresses,
    /// How long a connection may take: name look-up, TCP and TLS together.
    pub connect: Duration,
    /// How long until the first byte of an answer, every redirect included.
    pub first_byte: Duration,
    /// How long between two chunks, as they come over the wire.
    pub between_chunks: Duration,
    /// How long an answer may take from beginning to end, a second try included.
    pub whole_answer: Duration,
    /// How long to wait before the second try.
    pub before_retry: Duration,
    /// Where secrets are looked up by name, at each call: [`environment`], or a test's own.
    pub secrets: fn(&str) -> Option<SecretString>,
}

impl Default for RespondersSettings {
    fn default() -> Self {
        Self {
            private_addresses: PrivateAddresses::Refused,
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(20),
            between_chunks: Duration::from_secs(20),
            whole_answer: Duration::from_secs(120),
            before_retry: Duration::from_millis(250),
            secrets: environment,
        }
    }
}

impl RespondersSettings {
    /// The secret of that name.
    pub(super) fn secret(&self, name: &EnvName) -> Result<SecretString, ResponderError> {
        (self.secrets)(name.as_str())
            .ok_or(ResponderError::Misconfigured("the environment variable that it names is not set"))
    }
}

/// A variable of this process, unless it is empty.
#[must_use]
pub fn environment(name: &str) -> Option<SecretString> {
    std::env::var(name).ok().filter(|value| !value.is_empty()).map(SecretString::from)
}
