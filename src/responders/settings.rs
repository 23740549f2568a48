use std::time::Duration;

use secrecy::SecretString;

use super::ResponderError;
use crate::domain::responder::EnvName;
use crate::outbound::PrivateAddresses;

/// The settings of responders.
#[derive(Clone, Debug)]
pub struct RespondersSettings {
    pub private_addresses: PrivateAddresses,
    /// How long a connection may take: name look-up, TCP and TLS together.
    pub connect: Duration,
    /// How long the first byte of a response may take, including every redirect.
    pub first_byte: Duration,
    /// How much time may pass between two chunks on the wire.
    pub between_chunks: Duration,
    /// How long a reply may take from beginning to end, including a second attempt.
    pub whole_reply: Duration,
    /// How long to wait before the second attempt.
    pub before_retry: Duration,
    /// Returns a secret by its name, at each call: [`environment`], or a test's own function.
    pub secrets: fn(&str) -> Option<SecretString>,
}

impl Default for RespondersSettings {
    fn default() -> Self {
        Self {
            private_addresses: PrivateAddresses::Refused,
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(20),
            between_chunks: Duration::from_secs(20),
            whole_reply: Duration::from_secs(120),
            before_retry: Duration::from_millis(250),
            secrets: environment,
        }
    }
}

impl RespondersSettings {
    /// Returns the secret of that name.
    ///
    /// # Errors
    /// [`ResponderError::Misconfigured`] if there is none.
    pub(super) fn secret(&self, name: &EnvName) -> Result<SecretString, ResponderError> {
        (self.secrets)(name.as_str())
            .ok_or(ResponderError::Misconfigured("the environment variable that it names is not set"))
    }
}

/// Returns an environment variable of this process, or `None` if it is not set or empty.
#[must_use]
pub fn environment(name: &str) -> Option<SecretString> {
    std::env::var(name).ok().filter(|value| !value.is_empty()).map(SecretString::from)
}
