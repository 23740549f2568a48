//! Bodies that are usually small, and cost nothing to count then.

use super::{KIB, LargeBodies, LargeBody, Sender};
use crate::http::{Meter, Rejection};

/// Limit of the bytes of a small body, which is read and parsed in about a millisecond.
const SMALL: usize = 64 * KIB;
/// Bytes of memory that are reserved to parse one byte of JSON.
const MEMORY_PER_BYTE: usize = 8;

/// A body that counts as a large one when it turns out to be large.
#[derive(Debug)]
pub struct MaybeLarge {
    bodies: LargeBodies,
    sender: Sender,
    bytes: usize,
    large: Option<LargeBody>,
}

impl LargeBodies {
    /// Returns a counter for a body that may be small. A small body does not count.
    #[must_use]
    pub fn maybe(&self, sender: Sender) -> MaybeLarge {
        MaybeLarge { bodies: self.clone(), sender, bytes: 0, large: None }
    }
}

impl Meter for MaybeLarge {
    fn expect(&mut self, bytes: usize) -> Result<(), Rejection> {
        if bytes > SMALL && self.large.is_none() {
            self.large = Some(self.bodies.admit(self.sender)?);
        }
        Ok(())
    }

    fn received(&mut self, bytes: usize) -> Result<(), Rejection> {
        self.bytes += bytes;
        self.expect(self.bytes)?;
        match &mut self.large {
            // The bytes before it was large count too.
            Some(large) => large.hold(self.bytes - large.bytes),
            None => Ok(()),
        }
    }
}

impl MaybeLarge {
    /// Runs the work on the body: at once if it is small, or like [`AdmittedBody::run`](super::AdmittedBody::run) if it
    /// is large.
    ///
    /// # Errors
    /// The same as those of [`AdmittedBody::run`](super::AdmittedBody::run).
    pub async fn run<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Rejection> {
        match self.large {
            None => Ok(work()),
            Some(large) => {
                let memory = large.bytes.saturating_mul(MEMORY_PER_BYTE);
                let (_, done) = large.turn(memory).await?.run(work).await?;
                Ok(done)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::http::LargeBodyLimits;
    use crate::http::LowPriority;

    fn sender() -> Sender {
        Sender { org: crate::domain::OrgId(uuid::Uuid::from_u128(1)), is_public: false }
    }

    #[tokio::test]
    async fn only_large_bodies_count_and_leave_the_thread() {
        let here = thread::current().id();
        let bodies = LargeBodies::default();
        let mut small = bodies.maybe(sender());
        small.expect(SMALL).unwrap();
        small.received(SMALL).unwrap();
        assert!(bodies.is_idle());
        assert_eq!(small.run(|| thread::current().id()).await, Ok(here));

        let mut large = bodies.maybe(sender());
        large.received(SMALL).unwrap();
        large.received(1).unwrap();
        assert_eq!(large.large.as_ref().unwrap().bytes, SMALL + 1);
        large.received(10).unwrap();
        assert_eq!(large.large.as_ref().unwrap().bytes, SMALL + 11);
        assert_ne!(large.run(|| thread::current().id()).await, Ok(here));
        assert!(bodies.is_idle());
    }

    #[test]
    fn one_too_many_is_rejected_before_it_is_read() {
        let bodies = LargeBodies::new(
            LargeBodyLimits { bodies_per_sender: 1, ..LargeBodyLimits::default() },
            LowPriority::default(),
        );
        let (mut first, mut second) = (bodies.maybe(sender()), bodies.maybe(sender()));
        first.expect(SMALL + 1).unwrap();
        assert_eq!(second.expect(SMALL + 1), Err(Rejection::TooManyConcurrent));
        drop(first);
        second.expect(SMALL + 1).unwrap();
    }
}
