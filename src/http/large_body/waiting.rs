//! Waits for a permit, for clients that would otherwise lose what they send because they do not retry.

use std::sync::Arc;

use super::{LargeBodies, LargeBody, Sender};
use crate::http::Rejection;

/// Limit of the waiting bodies of one sender. A waiting body has not been read.
const MAX_WAITING: usize = 1_024;

impl LargeBodies {
    /// Returns a permit for one body like [`admit`](Self::admit), but waits for it while the sender has as many bodies
    /// in progress as it may have.
    ///
    /// # Errors
    /// [`Rejection::TooManyConcurrent`] when too many bodies of the sender already wait, or after the time limit.
    pub async fn admit_in_turn(&self, sender: Sender) -> Result<LargeBody, Rejection> {
        let (waiting, permits) = {
            let mut in_progress = self.in_progress();
            let state = in_progress.state_of(sender, &self.0.limits);
            if state.waiting >= MAX_WAITING {
                return Err(Rejection::TooManyConcurrent);
            }
            state.waiting += 1;
            state.bodies += 1;
            (Waiting { bodies: self, sender }, Arc::clone(&state.permits))
        };
        let permit = tokio::time::timeout(self.0.limits.wait, permits.acquire_owned()).await;
        let permit = permit.map_err(|_| Rejection::TooManyConcurrent)?.map_err(|_| Rejection::Unavailable)?;
        let mut in_progress = self.in_progress();
        // It has a permit from here on, so it no longer counts as waiting.
        let state = in_progress.state_of(sender, &self.0.limits);
        state.bodies += 1;
        let turns = Arc::clone(&state.turns);
        drop(in_progress);
        drop(waiting);
        Ok(LargeBody { bodies: self.clone(), sender, bytes: 0, turns, _permit: permit })
    }
}

/// A waiting body. It keeps the sender's state alive, so that all of the sender's bodies wait for the same permits.
struct Waiting<'b> {
    bodies: &'b LargeBodies,
    sender: Sender,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut in_progress = self.bodies.in_progress();
        if let Some(state) = in_progress.senders.get_mut(&self.sender) {
            state.waiting -= 1;
        }
        in_progress.remove_body(self.sender);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use uuid::Uuid;

    use super::*;
    use crate::domain::OrgId;
    use crate::http::{LargeBodyLimits, LowPriority};

    fn sender(org: u128) -> Sender {
        Sender { org: OrgId(Uuid::from_u128(org)), is_public: false }
    }

    fn bodies() -> LargeBodies {
        let limits = LargeBodyLimits { bodies_per_sender: 1, ..LargeBodyLimits::default() };
        LargeBodies::new(limits, LowPriority::default())
    }

    #[tokio::test]
    async fn a_body_waits_for_another_of_its_sender_and_for_no_one_elses() {
        let bodies = bodies();
        let first = bodies.admit_in_turn(sender(1)).await.unwrap();
        let mut second = Box::pin(bodies.admit_in_turn(sender(1)));
        assert!(second.as_mut().now_or_never().is_none());
        assert_eq!(bodies.admit(sender(1)).unwrap_err(), Rejection::TooManyConcurrent);
        assert!(bodies.admit_in_turn(sender(2)).now_or_never().is_some_and(|body| body.is_ok()));
        drop(first);
        let second = second.await.unwrap();
        assert_eq!(bodies.admit(sender(1)).unwrap_err(), Rejection::TooManyConcurrent);
        drop(second);
        assert!(bodies.is_idle());
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_leaves_nothing() {
        let bodies = bodies();
        let first = bodies.admit(sender(1)).unwrap();
        assert!(bodies.admit_in_turn(sender(1)).now_or_never().is_none());
        drop(first);
        assert!(bodies.is_idle());
        assert!(bodies.admit(sender(1)).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn waits_are_bounded_in_time_and_number() {
        let bodies = bodies();
        let _first = bodies.admit(sender(1)).unwrap();
        assert_eq!(bodies.admit_in_turn(sender(1)).await.unwrap_err(), Rejection::TooManyConcurrent);
        let mut waiting: Vec<_> = (0..MAX_WAITING).map(|_| Box::pin(bodies.admit_in_turn(sender(1)))).collect();
        assert!(waiting.iter_mut().all(|wait| wait.as_mut().now_or_never().is_none()));
        let one_more = bodies.admit_in_turn(sender(1)).now_or_never();
        assert!(matches!(one_more, Some(Err(Rejection::TooManyConcurrent))));
    }
}
