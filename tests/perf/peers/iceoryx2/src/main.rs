//! iceoryx2 between two processes, by the loops of its own benchmarks: publish and subscribe, one sample at a time.
//!
//! `iceoryx2-peer NEAR_CORE FAR_CORE SERVICE` starts itself again as the far end, then takes commands from standard input
//! and answers each with a line:
//!
//! ```text
//! rate 64 MS    ->  samples per second, one way, as the far end counted them
//! rtt 64 MS     ->  median and 99th percentile of a round trip, in nanoseconds, both ends polling
//! ```
//!
//! Between commands both ends sleep. At the end of the input the near end ends, and the far end with it.

use std::env;
use std::error::Error;
use std::hint;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::*;

type Failure = Box<dyn Error>;
type Frame = [u8; 64];
type Sender = Publisher<ipc::Service, Frame, ()>;
type Listener = Subscriber<ipc::Service, Frame, ()>;

/// Samples that a subscriber's queue holds, as many as the other peers' rings have slots.
const QUEUE: usize = 1024;
/// Samples between two looks at the clock.
const BURST: usize = 32;
/// Before the count begins, and after it has ended.
const WARM: Duration = Duration::from_millis(50);
const MARGIN: Duration = Duration::from_millis(100);
/// An end that hears nothing for so long gives up.
const PATIENCE: Duration = Duration::from_secs(3);
/// Round trips while the far end wakes up.
const WAKING: usize = 100;
/// First byte of the last sample of a measurement.
const LAST: u8 = 1;

fn main() -> Result<(), Failure> {
    set_log_level(LogLevel::Error);
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["far", core, service] => far_end(core, service),
        [near, far, service] => near_end(near, far, service),
        _ => Err("usage: iceoryx2-peer NEAR_CORE FAR_CORE SERVICE".into()),
    }
}

fn pin(core: &str) -> Result<(), Failure> {
    let pid = std::process::id().to_string();
    let done = Command::new("taskset").args(["-a", "-cp", core, &pid]).stdout(Stdio::null()).status()?;
    if done.success() { Ok(()) } else { Err(format!("cannot run on core {core}").into()) }
}

/// A service for each direction. Nothing is lost: a publisher whose subscriber is full is told so.
fn channel(
    node: &Node<ipc::Service>,
    name: &str,
    service: &str,
) -> Result<iceoryx2::service::port_factory::publish_subscribe::PortFactory<ipc::Service, Frame, ()>, Failure> {
    Ok(node
        .service_builder(&format!("{service}/{name}").as_str().try_into()?)
        .publish_subscribe::<Frame>()
        .enable_safe_overflow(false)
        .history_size(0)
        .max_publishers(1)
        .max_subscribers(1)
        .subscriber_max_buffer_size(QUEUE)
        .subscriber_max_borrowed_samples(2)
        .open_or_create()?)
}

/// Sends one sample unless the subscriber's queue is full.
fn send(publisher: &Sender, frame: Frame) -> Result<bool, Failure> {
    let sample = publisher.loan_uninit()?.write_payload(frame);
    Ok(sample.send()? == 1)
}

fn near_end(near: &str, far: &str, service: &str) -> Result<(), Failure> {
    let node = NodeBuilder::new().create::<ipc::Service>()?;
    let (there, back) = (channel(&node, "there", service)?, channel(&node, "back", service)?);
    let publisher = there.publisher_builder().backpressure_strategy(BackpressureStrategy::DiscardData).create()?;
    let subscriber = back.subscriber_builder().buffer_size(QUEUE).create()?;
    let mut child = Command::new(env::current_exe()?)
        .args(["far", far, service])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut orders = child.stdin.take().ok_or("no pipe")?;
    let mut answers = BufReader::new(child.stdout.take().ok_or("no pipe")?);
    let mut answer = String::new();
    answers.read_line(&mut answer)?;
    pin(near)?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        let ["rate" | "rtt", "64", milliseconds] = words[..] else {
            return Err(format!("not a command: {line}").into());
        };
        let time = Duration::from_millis(milliseconds.parse()?);
        writeln!(orders, "{line}")?;
        let quantiles = match words[0] {
            "rate" => flood(&publisher, time).map(|()| None),
            _ => round_trips(&publisher, &subscriber, time).map(Some),
        }?;
        answer.clear();
        answers.read_line(&mut answer)?;
        match quantiles {
            Some((median, tail)) => println!("{median} {tail}"),
            None => println!("{}", answer.trim()),
        }
        io::stdout().flush()?;
    }
    drop(orders);
    child.wait()?;
    Ok(())
}

fn flood(publisher: &Sender, time: Duration) -> Result<(), Failure> {
    let end = Instant::now() + time + WARM + MARGIN;
    while Instant::now() < end {
        for _ in 0..BURST {
            while !send(publisher, [0; 64])? {
                hint::spin_loop();
                if Instant::now() > end + PATIENCE {
                    return Err("the far end takes nothing".into());
                }
            }
        }
    }
    send_last(publisher, end + PATIENCE)
}

fn send_last(publisher: &Sender, limit: Instant) -> Result<(), Failure> {
    while !send(publisher, [LAST; 64])? {
        if Instant::now() > limit {
            return Err("the far end takes nothing".into());
        }
    }
    Ok(())
}

fn round_trips(publisher: &Sender, subscriber: &Listener, time: Duration) -> Result<(u128, u128), Failure> {
    let mut samples = Vec::with_capacity(1 << 22);
    let mut begun = Instant::now();
    let end = begun + time;
    let limit = end + PATIENCE;
    for number in 0.. {
        if begun >= end || samples.len() == samples.capacity() {
            break;
        }
        send(publisher, [0; 64])?;
        await_one(subscriber, limit)?;
        let now = Instant::now();
        if number > WAKING {
            samples.push((now - begun).as_nanos());
        }
        begun = now;
    }
    send_last(publisher, limit)?;
    await_one(subscriber, limit)?;
    samples.sort_unstable();
    let at = |percent: usize| samples.get(samples.len() * percent / 100).copied().unwrap_or(0);
    Ok((at(50), at(99)))
}

fn await_one(subscriber: &Listener, limit: Instant) -> Result<Frame, Failure> {
    for polls in 1.. {
        if let Some(sample) = subscriber.receive()? {
            return Ok(*sample);
        }
        if polls % 100_000 == 0 && Instant::now() > limit {
            return Err("no answer".into());
        }
    }
    Err("no answer".into())
}

fn far_end(core: &str, service: &str) -> Result<(), Failure> {
    let node = NodeBuilder::new().create::<ipc::Service>()?;
    let (there, back) = (channel(&node, "there", service)?, channel(&node, "back", service)?);
    let subscriber = there.subscriber_builder().buffer_size(QUEUE).create()?;
    let publisher = back.publisher_builder().backpressure_strategy(BackpressureStrategy::DiscardData).create()?;
    pin(core)?;
    println!("ready");
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        let time = Duration::from_millis(words.last().ok_or("no time")?.parse()?);
        let limit = Instant::now() + time + PATIENCE;
        if words[0] == "rate" {
            println!("{:.0}", count(&subscriber, time, limit)?);
        } else {
            loop {
                let sample = await_one(&subscriber, limit)?;
                send(&publisher, sample)?;
                if sample[0] == LAST {
                    break;
                }
            }
            println!("done");
        }
        io::stdout().flush()?;
    }
    Ok(())
}

/// Samples per second over a window that begins some time after the first one.
fn count(subscriber: &Listener, time: Duration, limit: Instant) -> Result<f64, Failure> {
    let begin = Instant::now() + WARM;
    while Instant::now() < begin {
        for _ in 0..BURST {
            subscriber.receive()?;
        }
    }
    let (begin, mut samples) = (Instant::now(), 0u64);
    let mut passed = Duration::ZERO;
    let mut last = false;
    while passed < time {
        for _ in 0..BURST {
            if let Some(sample) = subscriber.receive()? {
                samples += 1;
                last = sample[0] == LAST;
            }
        }
        passed = begin.elapsed();
    }
    while !last {
        last = await_one(subscriber, limit)?[0] == LAST;
    }
    Ok(samples as f64 / passed.as_secs_f64())
}
