//! Captures around memory ports, and files as tshark reads them.

use std::process::Command;

use super::file;
use super::*;
use crate::port::mem::MemPort;

fn ports() -> (CapturePort<MemPort>, CaptureControl, MemPort) {
    let left = MemPort::describe("left", [2, 0, 0, 0, 0, 1], 1500);
    let right = MemPort::describe("right", [2, 0, 0, 0, 0, 2], 1500);
    let (left, right) = MemPort::pair(left, right, 64).unwrap();
    let (left, control) = capturable(left);
    (left, control, right)
}

fn receive(port: &mut impl Port) -> usize {
    port.receive(&mut Vec::new(), &mut Pool::new(64), 64)
}

fn taken(capture: &mut Capture) -> Vec<(Direction, usize, Vec<u8>)> {
    let mut all = Vec::new();
    while let Some(frame) = capture.next_frame() {
        all.push((frame.direction, frame.length, frame.bytes.to_vec()));
    }
    all
}

fn is_readable(capture: &Capture) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut descriptors = [PollFd::new(capture, PollFlags::IN)];
    poll(&mut descriptors, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() == 1
}

#[test]
fn frames_of_both_directions_are_copied_while_a_capture_is_attached() {
    let (mut left, control, mut right) = ports();
    left.transmit(&[1; 60]).unwrap();
    let mut capture =
        control.attach(CaptureOptions { snap_length: 40, ..CaptureOptions::default() }).unwrap();
    assert_eq!(receive(&mut left), 0);
    assert!(capture.next_frame().is_none());
    assert!(!is_readable(&capture));

    left.transmit(&[2; 60]).unwrap();
    left.flush();
    assert!(is_readable(&capture));
    right.transmit(&[3; 20]).unwrap();
    assert_eq!(receive(&mut left), 1);
    assert_eq!(left.transmit(&[0; 2000]), Err(DropReason::TooLong));
    let expected = vec![(Direction::Sent, 60, vec![2; 40]), (Direction::Received, 20, vec![3; 20])];
    assert_eq!(taken(&mut capture), expected);
    assert!(!is_readable(&capture));
    assert_eq!(capture.lost(), 0);

    drop(capture);
    receive(&mut left);
    assert!(left.sinks.is_empty());
    assert_eq!(receive(&mut right), 2, "what a capture sees still passes");
}

#[test]
fn a_full_ring_counts_and_goes_on_when_there_is_room() {
    let (mut left, control, mut right) = ports();
    let options = CaptureOptions { ring_bytes: 3 * (RECORD_HEADER + 60) + 5, snap_length: 60 };
    let mut capture = control.attach(options).unwrap();
    receive(&mut left);
    let mut seen = 0;
    for round in 0..50_u8 {
        for frame in 0..5 {
            left.transmit(&[round ^ frame; 60]).unwrap();
        }
        left.flush();
        assert_eq!(receive(&mut right), 5);
        for (index, (direction, length, bytes)) in taken(&mut capture).into_iter().enumerate() {
            assert_eq!((direction, length, bytes), (Direction::Sent, 60, vec![round ^ index as u8; 60]));
            seen += 1;
        }
    }
    assert_eq!((seen, capture.lost()), (150, 100));
}

#[test]
fn captures_are_independent_bounded_in_number_and_can_be_replaced() {
    let (mut left, control, _right) = ports();
    let mut captures: Vec<_> =
        (0..MAX_CAPTURES).map(|_| control.attach(CaptureOptions::default()).unwrap()).collect();
    receive(&mut left);
    assert!(matches!(control.attach(CaptureOptions::default()), Err(CaptureError::TooMany)));
    captures.remove(1);
    receive(&mut left);
    let mut late = control.attach(CaptureOptions::default()).unwrap();
    receive(&mut left);
    left.transmit(&[7; 60]).unwrap();
    for capture in captures.iter_mut().chain([&mut late]) {
        assert_eq!(taken(capture), [(Direction::Sent, 60, vec![7; 60])]);
    }
    assert!(!late.is_ended());
    drop(left);
    assert!(late.is_ended());
}

#[test]
fn a_writer_and_a_reader_on_two_threads_agree() {
    let (mut left, control, mut right) = ports();
    let mut capture = control.attach(CaptureOptions { ring_bytes: 2000, snap_length: 9000 }).unwrap();
    receive(&mut left);
    let reader = std::thread::spawn(move || {
        let mut count = 0_u64;
        loop {
            let ended = capture.is_ended();
            while let Some(frame) = capture.next_frame() {
                assert_eq!(frame.length, frame.bytes.len());
                assert!(frame.bytes.iter().all(|byte| usize::from(*byte) == frame.length % 251));
                count += 1;
            }
            if ended {
                return count + capture.lost();
            }
        }
    });
    for index in 0..20_000_usize {
        let length = 14 + index % 1000;
        left.transmit(&vec![(length % 251) as u8; length]).unwrap();
        receive(&mut right);
    }
    drop(left);
    assert_eq!(reader.join().unwrap(), 20_000);
}

fn sample_file() -> Vec<u8> {
    let mut out = Vec::new();
    file::section_header(&mut out);
    file::interface(&mut out, "lsm0", 64);
    file::interface(&mut out, "eth1", 9000);
    let mut bytes = vec![0xff; 6];
    bytes.extend([2, 0, 0, 0, 0, 9, 0x88, 0xb5]);
    bytes.extend([0x5a; 47]);
    let time = Duration::new(1_700_000_000, 123_456_789);
    let frame = CapturedFrame { time, direction: Direction::Received, length: 1500, bytes: &bytes };
    file::packet(&mut out, 1, &frame);
    file::packet(&mut out, 0, &CapturedFrame { direction: Direction::Sent, length: bytes.len(), ..frame });
    file::statistics(&mut out, 1, time, 5);
    out
}

#[test]
fn a_file_is_a_chain_of_blocks_whose_lengths_agree() {
    let file = sample_file();
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    let (mut kinds, mut at) = (Vec::new(), 0);
    while at < file.len() {
        let length = word(at + 4) as usize;
        assert_eq!(length % 4, 0);
        assert_eq!(word(at + length - 4) as usize, length);
        kinds.push(word(at));
        at += length;
    }
    assert_eq!(kinds, [0x0a0d_0d0a, 1, 1, 6, 6, 5]);
    assert_eq!(word(8), 0x1a2b_3c4d);
}

#[test]
fn tshark_reads_the_file() {
    let path = std::env::temp_dir().join(format!("isthmus-{}.pcapng", std::process::id()));
    std::fs::write(&path, sample_file()).unwrap();
    let fields = ["frame.interface_name", "frame.time_epoch", "frame.len", "frame.cap_len", "eth.src"];
    let mut command = Command::new("tshark");
    command.arg("-r").arg(&path).args([
        "-T",
        "fields",
        "-E",
        "separator=,",
        "-e",
        "frame.packet_flags_direction",
    ]);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command.output();
    std::fs::remove_file(&path).unwrap();
    let Ok(output) = output else {
        println!("skipped: no tshark here");
        return;
    };
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(lines.len(), 2, "{text} {}", String::from_utf8_lossy(&output.stderr));
    let tail = |length| ["1700000000.123456789", length, "61", "02:00:00:00:00:09"];
    for (line, direction, name, length) in [(&lines[0], "1", "eth1", "1500"), (&lines[1], "2", "lsm0", "61")]
    {
        assert!(line[0].trim_start_matches("0x").trim_start_matches('0') == direction, "{text}");
        assert_eq!(line[1], name);
        assert_eq!(line[2..], tail(length));
    }
}
