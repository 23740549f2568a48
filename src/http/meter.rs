//! Counting the bytes of a body.

use super::rejection::Rejection;

/// Counts the bytes of a body while it is read, and may reject them.
pub trait Meter {
    /// Counts a body with a known length before any of it is read.
    ///
    /// # Errors
    /// The rejection of a body that is too long.
    fn expect(&mut self, bytes: usize) -> Result<(), Rejection> {
        let _ = bytes;
        Ok(())
    }

    /// Counts bytes that have arrived.
    ///
    /// # Errors
    /// The rejection of too many bytes.
    fn received(&mut self, bytes: usize) -> Result<(), Rejection>;
}

/// Counts nothing.
impl Meter for () {
    fn received(&mut self, _: usize) -> Result<(), Rejection> {
        Ok(())
    }
}

/// Counts with both.
impl<A: Meter, B: Meter> Meter for (&mut A, &mut B) {
    fn expect(&mut self, bytes: usize) -> Result<(), Rejection> {
        self.0.expect(bytes)?;
        self.1.expect(bytes)
    }

    fn received(&mut self, bytes: usize) -> Result<(), Rejection> {
        self.0.received(bytes)?;
        self.1.received(bytes)
    }
}
