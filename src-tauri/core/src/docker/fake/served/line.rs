//! One connection, which may end in the middle of an answer.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

/// How much of the present answer still goes through, and what comes after it.
#[derive(Clone, Default)]
pub(super) struct Tap {
    left: Arc<Mutex<Flow>>,
}

#[derive(Clone, Copy, Default)]
enum Flow {
    #[default]
    Free,
    ThenCut(usize),
    ThenStall(usize),
}

impl Tap {
    fn flow(&self) -> std::sync::MutexGuard<'_, Flow> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn open(&self) {
        *self.flow() = Flow::Free;
    }

    pub(super) fn cut_after(&self, bytes: usize) {
        *self.flow() = Flow::ThenCut(bytes);
    }

    pub(super) fn stall_after(&self, bytes: usize) {
        *self.flow() = Flow::ThenStall(bytes);
    }
}

pub(super) struct Line {
    stream: UnixStream,
    tap: Tap,
}

impl Line {
    pub(super) fn new(stream: UnixStream, tap: Tap) -> Self {
        Self { stream, tap }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let tap = self.tap.clone();
        let mut flow = tap.flow();
        let left = match &mut *flow {
            Flow::Free => return Pin::new(&mut self.stream).poll_write(cx, buf),
            Flow::ThenCut(0) => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            // Only the other side's leaving ends this; reading notices it.
            Flow::ThenStall(0) => return Poll::Pending,
            Flow::ThenCut(left) | Flow::ThenStall(left) => left,
        };
        let most = buf.len().min(*left);
        let written = Pin::new(&mut self.stream).poll_write(cx, &buf[..most]);
        if let Poll::Ready(Ok(bytes)) = written {
            *left -= bytes;
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
