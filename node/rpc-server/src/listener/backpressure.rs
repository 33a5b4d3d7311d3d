//! Clients that do not read what they asked for.
//!
//! Answers to a WebSocket client queue up while it does not read them. So nothing more is read
//! from a client while what was written to it is stuck, and one that reads nothing for a while
//! is disconnected.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Sleep, sleep},
};

use crate::metrics;

/// A place among the open connections, free again when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Place {
    /// Takes a place; `None` if there is none.
    pub(crate) fn take(places: &Arc<Semaphore>) -> Option<Self> {
        let permit = Arc::clone(places).try_acquire_owned().ok()?;
        metrics::connections().increment(1);
        Some(Self { _permit: permit })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        metrics::connections().decrement(1);
    }
}

/// A client's stream.
#[derive(Debug)]
pub(crate) struct Backpressure<T> {
    stream: T,
    timeout: Duration,
    /// Set while a write is stuck: when to give up.
    stuck: Option<Pin<Box<Sleep>>>,
    reader: Option<Waker>,
    /// Set once the client was given up, which ends reading too.
    given_up: bool,
    /// The client's place among the open connections.
    _place: Place,
}

impl<T> Backpressure<T> {
    pub(crate) const fn new(stream: T, timeout: Duration, place: Place) -> Self {
        Self {
            stream,
            timeout,
            stuck: None,
            reader: None,
            given_up: false,
            _place: place,
        }
    }

    fn written(
        &mut self,
        context: &mut Context<'_>,
        result: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if self.given_up {
            return Poll::Ready(Err(given_up()));
        }
        if result.is_ready() {
            self.stuck = None;
            self.wake_reader();
            return result;
        }
        let timeout = self.timeout;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep(timeout)));
        ready!(stuck.as_mut().poll(context));
        self.given_up = true;
        self.wake_reader();
        metrics::slow_client();
        Poll::Ready(Err(given_up()))
    }

    fn wake_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

fn given_up() -> io::Error {
    io::Error::new(
        io::ErrorKind::TimedOut,
        "the client does not read its answers",
    )
}

impl<T: AsyncRead + Unpin> AsyncRead for Backpressure<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.given_up {
            return Poll::Ready(Err(given_up()));
        }
        // Kept even while the stream itself wakes the reader, who must learn of the end.
        self.reader = Some(context.waker().clone());
        if self.stuck.is_some() {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Backpressure<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.written(context, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex, split};

    fn pair(
        timeout: Duration,
    ) -> (
        Backpressure<tokio::io::DuplexStream>,
        tokio::io::DuplexStream,
    ) {
        let (server, client) = duplex(8);
        let place = Place::take(&Arc::new(Semaphore::new(1))).expect("a place");
        (Backpressure::new(server, timeout, place), client)
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_given_up() {
        let (mut server, _client) = pair(Duration::from_millis(50));
        let started = tokio::time::Instant::now();
        let error = server.write_all(&[0; 64]).await.expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(started.elapsed() >= Duration::from_millis(50));
        let error = server.read_u8().await.expect_err("the connection is over");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn nothing_is_read_while_a_write_is_stuck() {
        let (server, mut client) = pair(Duration::from_secs(20));
        let (mut reading, mut writing) = split(server);
        client.write_all(b"request").await.expect("there is room");
        let write = tokio::spawn(async move { writing.write_all(&[7; 64]).await });
        tokio::task::yield_now().await;
        let mut request = [0; 7];
        let read = reading.read_exact(&mut request).now_or_never();
        assert!(read.is_none(), "the write is stuck");

        let mut answer = [0; 64];
        client
            .read_exact(&mut answer)
            .await
            .expect("the server writes");
        assert_eq!(answer, [7; 64]);
        write.await.expect("no panic").expect("all was read");
        reading.read_exact(&mut request).await.expect("reads again");
        assert_eq!(&request, b"request");
    }
}
