//! The limits of large bodies.

use std::num::NonZeroU32;
use std::time::Duration;

const MIB: usize = 1024 * 1024;

/// The limits of one replica.
#[derive(Clone, Copy, Debug)]
pub struct LargeBodyLimits {
    /// Bodies of one sender in progress.
    pub bodies_per_sender: usize,
    /// Bytes of one sender's bodies in memory.
    pub bytes_per_sender: usize,
    /// Bytes of all bodies in memory.
    pub bytes: usize,
    /// Bodies of one sender that are processed at once.
    pub turns_per_sender: usize,
    /// Bytes of memory for processing all bodies.
    pub memory: usize,
    /// Threads that process bodies at once.
    pub workers: usize,
    /// How long a body may wait for its turn, if the client would lose its data after a rejection.
    pub wait: Duration,
    /// Rate at which one sender may send large bodies; `None` for no limit.
    pub rate: Option<SendingRate>,
}

/// How fast one sender may send, because reading and storing large bodies uses the processor.
#[derive(Clone, Copy, Debug)]
pub struct SendingRate {
    pub bytes_per_second: NonZeroU32,
    /// Bytes that may be sent at once after a pause.
    pub burst: NonZeroU32,
}

impl SendingRate {
    /// Per second, four of the largest captures or the largest export.
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
            // This leaves its handler time to process it.
            wait: Duration::from_secs(20),
            rate: Some(SendingRate::DEFAULT),
        }
    }
}
