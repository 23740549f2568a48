//! The channel of a session: the id that ElizaOS's workers use for it.
//!
//! A channel's id is its session's id, scrambled, so that each can be computed from the other without a look-up.

use uuid::Uuid;

use crate::domain::SessionId;

/// Flips bits of the time and the random part only, so that version and variant stay those of a UUIDv4.
const SCRAMBLE: u128 = 0x5bd1_e995_a54f_0d3c_09e3_779b_97f4_a7c1;

pub(in crate::dialects::messaging) fn of_session(session: SessionId) -> Uuid {
    Uuid::from_u128(session.0.as_u128() ^ SCRAMBLE)
}

pub(in crate::dialects::messaging) fn session_of(channel: Uuid) -> SessionId {
    SessionId(Uuid::from_u128(channel.as_u128() ^ SCRAMBLE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Mint;
    use chrono::DateTime;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_channel_is_another_uuid_v4_and_leads_back_to_the_session(seed: u64, at in 0i64..1 << 47) {
            let session = Mint::seeded(seed).session_id_v4(DateTime::from_timestamp_millis(at).unwrap());
            let channel = of_session(session);
            prop_assert_ne!(channel, session.0);
            prop_assert_eq!((channel.get_version_num(), channel.get_variant()), (4, uuid::Variant::RFC4122));
            prop_assert_eq!(session_of(channel), session);
        }
    }
}
