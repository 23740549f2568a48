//! Limits the images that are transferred at once, so that slow clients cannot fill the memory and one client cannot
//! block the others.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::{OrgId, Permit, Quota};
use crate::http::{Network, Rejection};

/// Uploads that one replica reads at once, each of at most 5 MiB.
const UPLOADS: usize = 32;
/// Images that one replica sends at once, with one slice of each in memory.
const DOWNLOADS: usize = 256;
/// One organization may have a fourth of the uploads: 8.
const UPLOADS_SHARE: usize = 4;
/// One client address may have an eighth of the downloads: 32.
const DOWNLOADS_SHARE: usize = 8;

/// The permits for uploads and downloads of images.
#[derive(Clone, Debug)]
pub struct Transfers {
    uploads: Arc<Semaphore>,
    uploads_of: Quota<OrgId>,
    downloads: Arc<Semaphore>,
    /// By network, because downloads need no credential.
    downloads_to: Quota<Option<Network>>,
}

/// A permit for one upload, released when dropped.
#[derive(Debug)]
pub struct UploadPermit {
    _permit: OwnedSemaphorePermit,
    _share: Option<Permit<OrgId>>,
}

/// A permit for one download, released when dropped.
#[derive(Debug)]
pub struct DownloadPermit {
    _permit: OwnedSemaphorePermit,
    _share: Permit<Option<Network>>,
}

impl Default for Transfers {
    fn default() -> Self {
        Self::new(UPLOADS, DOWNLOADS)
    }
}

impl Transfers {
    /// Allows so many transfers at once. One client may have its share of them, and at least one.
    #[must_use]
    pub fn new(uploads: usize, downloads: usize) -> Self {
        Self {
            uploads: Arc::new(Semaphore::new(uploads)),
            uploads_of: Quota::new((uploads / UPLOADS_SHARE).max(1)),
            downloads: Arc::new(Semaphore::new(downloads)),
            downloads_to: Quota::new((downloads / DOWNLOADS_SHARE).max(1)),
        }
    }

    /// Returns a permit to read an upload of this organization, which is known for every authenticated caller.
    ///
    /// # Errors
    /// [`Rejection::TooManyConcurrent`] (429) if the organization has its share, [`Rejection::Unavailable`] (503) if
    /// all permits are taken.
    pub fn upload(&self, org: Option<OrgId>) -> Result<UploadPermit, Rejection> {
        let share = org.map(|org| self.uploads_of.acquire(org).ok_or(Rejection::TooManyConcurrent)).transpose()?;
        Ok(UploadPermit { _permit: take(&self.uploads)?, _share: share })
    }

    /// Returns a permit to send an image to this network.
    ///
    /// # Errors
    /// [`Rejection::TooManyConcurrent`] (429) if the network has its share, [`Rejection::Unavailable`] (503) if all
    /// permits are taken.
    pub fn download(&self, network: Option<Network>) -> Result<DownloadPermit, Rejection> {
        let share = self.downloads_to.acquire(network).ok_or(Rejection::TooManyConcurrent)?;
        Ok(DownloadPermit { _permit: take(&self.downloads)?, _share: share })
    }
}

fn take(permits: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Rejection> {
    Arc::clone(permits).try_acquire_owned().map_err(|_| Rejection::Unavailable)
}
