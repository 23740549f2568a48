//! A client's connection as hyper reads and writes it.
//!
//! A client that disconnects does not end anything here: what is written to it is discarded, and what it sent before is
//! read to its end. So a complete request is executed, and so is another one after it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::net::RecvFlags;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio_io_timeout::TimeoutStream;

use super::client::Client;

/// Bytes per read.
const READ: usize = 64 * 1024;

/// Returns whether there are received bytes that have not been read yet.
pub(super) fn has_unread(socket: &TcpStream) -> bool {
    let mut byte = [0u8; 1];
    rustix::net::recv(socket, &mut byte[..], RecvFlags::PEEK | RecvFlags::DONTWAIT).is_ok_and(|(_, read)| read > 0)
}

/// The socket, which other parts of the connection watch at the same time.
struct Socket(Arc<TcpStream>);

pub(super) struct ClientStream {
    inner: Pin<Box<TimeoutStream<Socket>>>,
    client: Arc<Client>,
}

impl ClientStream {
    /// A client that reads nothing of what is written to it for `write_timeout` counts as disconnected.
    pub fn new(socket: Arc<TcpStream>, client: Arc<Client>, write_timeout: Duration) -> Self {
        let mut inner = Box::pin(TimeoutStream::new(Socket(socket)));
        inner.as_mut().set_write_timeout_pinned(Some(write_timeout));
        Self { inner, client }
    }

    /// Counts bytes as written that cannot be sent.
    fn written(&self, result: io::Result<usize>, length: usize) -> io::Result<usize> {
        Ok(result.unwrap_or_else(|_| {
            self.client.set_gone();
            length
        }))
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = self.inner.as_mut().poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.client.bytes_arrived();
        }
        // Everything that a disconnected client sent has arrived by now.
        if read.is_pending() && self.client.is_gone() { Poll::Ready(Ok(())) } else { read }
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.client.is_gone() {
            return Poll::Ready(Ok(bytes.len()));
        }
        let result = ready!(self.inner.as_mut().poll_write(context, bytes));
        Poll::Ready(self.written(result, bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = slices.iter().map(|slice| slice.len()).sum();
        if self.client.is_gone() {
            return Poll::Ready(Ok(length));
        }
        let result = ready!(self.inner.as_mut().poll_write_vectored(context, slices));
        Poll::Ready(self.written(result, length))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.client.is_gone() { Poll::Ready(Ok(())) } else { self.inner.as_mut().poll_flush(context) }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.client.is_gone() { Poll::Ready(Ok(())) } else { self.inner.as_mut().poll_shutdown(context) }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.poll_read_ready(context))?;
            let room = buffer.initialize_unfilled_to(buffer.remaining().min(READ));
            let mut read = 0;
            let tried = self.0.try_io(Interest::READABLE, || {
                read = rustix::io::read(&*self.0, &mut *room)?;
                // Less than there is room for means that the socket is empty, which saves another read.
                if 0 < read && read < room.len() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            });
            match tried {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && read == 0 => {}
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Poll::Ready(Err(error)),
                _ => {
                    buffer.advance(read);
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(context))?;
            match self.0.try_write_vectored(slices) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A client that has disconnected needs no shutdown.
        let _ = rustix::net::shutdown(&*self.0, rustix::net::Shutdown::Write);
        Poll::Ready(Ok(()))
    }
}
