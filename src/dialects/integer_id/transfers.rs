//! How many images are on their way at once, so that slow clients cannot fill the memory.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http::Refusal;

/// Uploads that one replica reads at once, each of 5 MiB at most.
const UPLOADS: usize = 32;
/// Images that one replica sends at once, a slice of each in memory.
const DOWNLOADS: usize = 256;

/// The places for images on their way in and out.
#[derive(Clone, Debug)]
pub struct Transfers {
    uploads: Arc<Semaphore>,
    downloads: Arc<Semaphore>,
}

/// A place, given back when dropped.
pub type Place = OwnedSemaphorePermit;

impl Default for Transfers {
    fn default() -> Self {
        Self::new(UPLOADS, DOWNLOADS)
    }
}

impl Transfers {
    #[must_use]
    pub fn new(uploads: usize, downloads: usize) -> Self {
        Self { uploads: Arc::new(Semaphore::new(uploads)), downloads: Arc::new(Semaphore::new(downloads)) }
    }

    /// A place to read an upload in.
    ///
    /// # Errors
    /// 503 where all are taken.
    pub fn upload(&self) -> Result<Place, Refusal> {
        take(&self.uploads)
    }

    /// A place to send an image from.
    ///
    /// # Errors
    /// 503 where all are taken.
    pub fn download(&self) -> Result<Place, Refusal> {
        take(&self.downloads)
    }
}

fn take(places: &Arc<Semaphore>) -> Result<Place, Refusal> {
    Arc::clone(places).try_acquire_owned().map_err(|_| Refusal::Unavailable)
}
