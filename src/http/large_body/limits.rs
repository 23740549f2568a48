//! How much of large bodies there may be.

use std::num::NonZeroU32;
use std::time::Duration;

const MIB: usize = 1024 * 1024;

/// How much one replica takes at once.
#[derive(Clone, Copy, Debug)]
pub struct LargeBodyLimits {
    /// Bodies of one sender in progress.
    pub bodies_per_sender: usize,
    /// Bytes of one sender's bodies in memory.
    pub bytes_per_sender: usize,
    /// Bytes of all bodies in memory.
    pub bytes: usize,
    /// Bodies of one sender that are built from at once.
    pub turns_per_sender: usize,
    /// Bytes of what is built from all bodies.
    pub memory: usize,
    /// Threads that work on bodies at once.
    pub workers: usize,
    /// How long a body may wait for its turn, where a client loses what it sends if it is rejected.
    pub wait: Duration,
    /// Bytes that one sender may send in large bodies; `None` for any number.
    pub rate: Option<SendingRate>,
}

/// How fast one sender may send, because reading and storing large bodies takes the processor.
#[derive(Clone, Copy, Debug)]
pub struct SendingRate {
    pub bytes_per_second: NonZeroU32,
    /// Bytes that may be sent at once after a while without any.
    pub burst: NonZeroU32,
}

impl SendingRate {
    /// Four of the largest captures, or the largest export, a second.
    pub const DEFAULT: Self = Self {
        bytes_per_second: NonZeroU32::new(8 * 1024 * 1024).expect("not zero"),
        burst: NonZeroU32::new(64 * 1024 * 1024).expect("not zero"),
    };
}

impl Default for LargeBodyLimits {
    fn default() -> Self {
        Self {
            bodies_per_sender: 32,
            bytes_per_sender: 16 * MIB,
            bytes: 64 * MIB,
            turns_per_sender: 2,
            memory: 128 * MIB,
            workers: 2,
            // Its handler has time left to work on it.
            wait: Duration::from_secs(20),
            rate: Some(SendingRate::DEFAULT),
        }
    }
}
