//! One read from the transport, under the limits of time and rate (PS3.8 section 9.1.5 and our own).

use super::Fault;
use crate::pace::Pace;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// Where the bytes of a read go.
pub(super) enum Target<'a> {
    /// A piece of the own buffer.
    Buffer(&'a mut [u8]),
    /// The end of the caller's block, at most so many.
    Block(&'a mut Vec<u8>, u64),
}

/// One read of at least one byte, which `halt` and the time limit cut; with `paced` its wait counts
/// against the least rate.
pub(super) async fn received<S: AsyncRead + Unpin>(
    stream: &mut S,
    halt: &CancellationToken,
    pace: &mut Pace,
    wait: Duration,
    paced: bool,
    mut target: Target<'_>,
) -> Result<usize, Fault> {
    let mut silent = Duration::ZERO;
    loop {
        if halt.is_cancelled() {
            return Err(Fault::Halted);
        }
        let patience = if paced { (wait - silent).min(pace.left()) } else { wait };
        let began = Instant::now();
        let reading = async {
            match &mut target {
                Target::Buffer(buffer) => stream.read(buffer).await,
                Target::Block(block, most) => (&mut *stream).take(*most).read_buf(*block).await,
            }
        };
        let read = tokio::select! {
            biased;
            read = timeout(patience, reading) => read,
            () = halt.cancelled() => return Err(Fault::Halted),
        };
        let waited = began.elapsed();
        let count = match read {
            Ok(Err(_)) => return Err(Fault::Lost),
            Ok(Ok(0)) => return Err(Fault::Closed),
            Ok(Ok(count)) => count,
            Err(_) => 0,
        };
        if paced && !pace.keeps_up(waited, count) {
            return Err(Fault::TooSlow);
        }
        if count > 0 {
            return Ok(count);
        }
        silent += waited;
        if silent >= wait {
            return Err(Fault::TimedOut);
        }
    }
}
