//! The other process: it sends back what asks for it, and counts the rest.

use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use isthmus_shmnet::NodeId;

use super::BenchError;
use super::frame::{HEADER, Header, Kind};
use super::member::Member;

/// How long an end that was told to sleep polls before it lies down.
const LIE_DOWN: Duration = Duration::from_micros(50);
/// A peer that gives no room for so long is not there any more.
const PATIENCE: Duration = Duration::from_secs(5);

/// Joins the segment and serves until it is told to quit, or its standard input ends.
///
/// # Errors
/// Why it cannot join.
pub fn serve(directory: &Path, me: NodeId, peer: NodeId, processor: usize) -> Result<(), BenchError> {
    // Whoever started this process holds the other end of its standard input, and may be killed.
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let mut member = Member::join(directory, me, peer)?;
    super::near::pin(processor)?;
    let ready = Header { kind: Kind::Ready, first: 0, second: 0 };
    member.send(ready, HEADER, Instant::now() + PATIENCE);
    member.flush();
    let mut counted = Counted::default();
    let mut sleeps = false;
    let mut dry_since = None;
    let mut turns = 0_u32;
    loop {
        let Some((header, size)) = member.receive() else {
            turns = turns.wrapping_add(1);
            if turns.is_multiple_of(256) {
                member.flush();
            }
            if sleeps && dry_since.get_or_insert_with(Instant::now).elapsed() > LIE_DOWN {
                member.sleep(Duration::from_millis(100));
                dry_since = None;
            }
            std::hint::spin_loop();
            continue;
        };
        dry_since = None;
        match header.kind {
            Kind::Load => counted.add(),
            Kind::Count => {
                let (first, second) = counted.take();
                member.send(Header { kind: Kind::Count, first, second }, HEADER, Instant::now() + PATIENCE);
                member.flush();
            }
            Kind::Echo | Kind::EchoAsleep => {
                sleeps = header.kind == Kind::EchoAsleep;
                member.send(header, size, Instant::now() + PATIENCE);
                member.flush();
            }
            Kind::Ready => {}
            Kind::Quit => return Ok(()),
        }
    }
}

/// A load as it arrives.
#[derive(Default)]
struct Counted {
    frames: u64,
    begun: Option<Instant>,
}

impl Counted {
    #[inline]
    fn add(&mut self) {
        if self.begun.is_none() {
            self.begun = Some(Instant::now());
        }
        self.frames += 1;
    }

    /// The frames after the first, and the nanoseconds that they took.
    fn take(&mut self) -> (u64, u64) {
        let took = self.begun.take().map_or(0, |begun| begun.elapsed().as_nanos() as u64);
        (std::mem::take(&mut self.frames).saturating_sub(1), took)
    }
}
