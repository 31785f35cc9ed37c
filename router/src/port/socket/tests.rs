//! Two ports in one process stand for two processes: nothing but the path joins them.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

static NEXT: AtomicU32 = AtomicU32::new(0);

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let name = format!("isthmus-socket-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn open(&self, name: &str) -> SocketPort {
        self.try_open(name).unwrap()
    }

    fn try_open(&self, name: &str) -> Result<SocketPort, OpenError> {
        SocketPort::open(SocketConfig { name: name.to_owned(), path: self.path(), mac: None, mtu: MAX_MTU })
    }

    fn path(&self) -> PathBuf {
        self.0.join("wire.sock")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Sleeps on the port's descriptor as a worker does, then takes what there is.
fn sleep_and_receive(port: &mut SocketPort) -> Vec<Vec<u8>> {
    let (mut batch, mut pool) = (Vec::new(), Pool::new(16));
    if port.prepare_sleep() {
        let mut descriptors = Vec::new();
        port.poll_descriptors(&mut descriptors);
        assert_eq!(descriptors, [port.epoll.as_raw_fd()]);
        let mut polled = [PollFd::new(&port.epoll, PollFlags::IN)];
        let patience = Timespec { tv_sec: 5, tv_nsec: 0 };
        rustix::event::poll(&mut polled, Some(&patience)).unwrap();
    }
    port.wake();
    port.receive(&mut batch, &mut pool, 16);
    batch.iter().map(|buffer| buffer.bytes().to_vec()).collect()
}

fn until(port: &mut SocketPort, condition: impl Fn(&SocketPort) -> bool) {
    for _ in 0..100 {
        if condition(port) {
            return;
        }
        sleep_and_receive(port);
    }
    panic!("the condition did not come true");
}

fn joined(folder: &Folder) -> (SocketPort, SocketPort) {
    let mut first = folder.open("a");
    let second = folder.open("b");
    until(&mut first, Port::carrier);
    (first, second)
}

#[test]
fn the_first_listens_the_second_connects_and_frames_pass_both_ways() {
    let folder = Folder::new();
    let mut first = folder.open("a");
    assert!(first.is_listener());
    assert!(!first.carrier());
    assert_eq!(first.transmit(&[0; 60]), Err(DropReason::NoCarrier));
    let mut second = folder.open("b");
    assert!(second.carrier());
    assert!(!second.is_listener());
    assert_ne!(first.info().mac, second.info().mac);
    until(&mut first, Port::carrier);

    first.transmit(&[1; 9014]).unwrap();
    first.transmit(&[2; 60]).unwrap();
    assert_eq!(first.transmit(&[0; 9015]), Err(DropReason::TooLong));
    assert_eq!(sleep_and_receive(&mut second), vec![vec![1; 9014], vec![2; 60]]);
    second.transmit(&[3; 14]).unwrap();
    assert_eq!(sleep_and_receive(&mut first), vec![vec![3; 14]]);
}

#[test]
fn the_listener_goes_and_the_other_takes_its_place() {
    let folder = Folder::new();
    let (first, mut second) = joined(&folder);
    drop(first);
    until(&mut second, |port| !port.carrier());
    until(&mut second, SocketPort::is_listener);
    let mut third = folder.open("a");
    assert!(third.carrier());
    until(&mut second, Port::carrier);
    third.transmit(&[9; 60]).unwrap();
    assert_eq!(sleep_and_receive(&mut second), vec![vec![9; 60]]);
}

#[test]
fn the_one_that_connected_goes_and_comes_back() {
    let folder = Folder::new();
    let (mut first, second) = joined(&folder);
    let carrier = first.carrier_flag();
    drop(second);
    until(&mut first, |port| !port.carrier());
    assert!(!carrier.is_up());
    let mut again = folder.open("b");
    until(&mut first, Port::carrier);
    assert!(carrier.is_up());
    again.transmit(&[5; 60]).unwrap();
    assert_eq!(sleep_and_receive(&mut first), vec![vec![5; 60]]);
}

#[test]
fn a_socket_file_that_a_dead_process_left_is_replaced() {
    let folder = Folder::new();
    let stale = MeetingPoint::socket().ok().unwrap();
    bind(&stale, &SocketAddrUnix::new(folder.path()).unwrap()).unwrap();
    std::fs::write(folder.0.join("wire.sock.lock"), b"").unwrap();
    drop(stale);
    let (first, second) = joined(&folder);
    assert!(first.is_listener());
    drop((first, second));
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 0);
}

#[test]
fn a_third_is_turned_away_and_the_pair_goes_on() {
    let folder = Folder::new();
    let (mut first, mut second) = joined(&folder);
    let mut third = folder.open("c");
    sleep_and_receive(&mut first);
    until(&mut third, |port| !port.carrier());
    first.transmit(&[1; 60]).unwrap();
    assert_eq!(sleep_and_receive(&mut second), vec![vec![1; 60]]);
}

#[test]
fn a_message_longer_than_a_buffer_is_counted() {
    let folder = Folder::new();
    let (mut first, second) = joined(&folder);
    send(second.connection.as_ref().unwrap(), &[0; 20_000], SendFlags::NOSIGNAL).unwrap();
    assert!(sleep_and_receive(&mut first).is_empty());
    assert_eq!(first.statistics().receive_errors, 1);
    assert!(first.carrier());
}

#[test]
fn a_reader_that_does_not_read_costs_frames_and_never_blocks() {
    let folder = Folder::new();
    let (mut first, _second) = joined(&folder);
    let refused = (0..10_000).find_map(|_| first.transmit(&[0; 9014]).err());
    assert_eq!(refused, Some(DropReason::TransmitError));
    assert!(first.carrier());
}

#[test]
fn unusable_paths_are_refused_with_the_reason() {
    let folder = Folder::new();
    std::fs::write(folder.path(), b"a file").unwrap();
    let error = folder.try_open("a").err().unwrap().to_string();
    assert!(error.contains("not a socket"), "{error}");
    let missing = SocketConfig {
        name: "a".to_owned(),
        path: folder.0.join("no/such/folder.sock"),
        mac: None,
        mtu: DEFAULT_MTU,
    };
    let error = SocketPort::open(missing).err().unwrap().to_string();
    assert!(error.contains("folder does not exist"), "{error}");
}
