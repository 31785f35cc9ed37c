//! Datagrams that are longer than the cable outside takes, to the address that all nodes share.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use isthmus_tests::lab::{self, COMMON, Namespace, OneExit, Ping, Process, wait};

const PORT: &str = "7000";

/// Answers each datagram with the server's name, and length and checksum of what came.
const SERVER: &str = "\
import socket, sys, zlib
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind((sys.argv[1], int(sys.argv[2])))
while True:
    data, peer = server.recvfrom(70000)
    server.sendto(f'{sys.argv[3]} {len(data)} {zlib.crc32(data)}'.encode(), peer)
";

/// Sends datagrams of several lengths from each of several ports, and prints what is answered. One that is lost is sent again.
const CLIENT: &str = "\
import socket, sys, zlib
for port in range(20000, 20016):
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.bind(('', port))
    client.settimeout(1)
    for length in 64, 4000, 12000, 60000, 64:
        data = bytes((port + at * at) % 251 for at in range(length))
        for attempt in range(10):
            client.sendto(data, (sys.argv[1], int(sys.argv[2])))
            try:
                name, got, crc = client.recv(100).decode().split()
            except TimeoutError:
                continue
            if int(got) == length and int(crc) == zlib.crc32(data):
                print(port, length, name)
                break
        else:
            print(port, length, 'nobody')
";

fn serve(node: &Namespace) -> Process {
    let process = node.spawn(&["python3", "-c", SERVER, COMMON, PORT, node.name()]);
    wait("the server listens", Duration::from_secs(20), || {
        let sockets = node.run(&["ss", "-Hlun", "sport", "=", PORT]);
        if sockets.is_empty() { Err(process.output()) } else { Ok(()) }
    });
    process
}

/// Input: UDP datagrams of 64 to 60,000 octets from 16 ports of the host behind FRR to the common address; pings of 4000
/// octets. Output: every datagram arrives whole, at the node that gets the small ones of the same port; more
/// than one node serves; all pings are answered; nothing was given up as incomplete.
#[test]
fn long_datagrams_reach_the_node_that_serves_their_flow() {
    lab::run("long", |lab| {
        let exit = OneExit::build(lab);
        let host = &exit.outside.host;
        let _servers = exit.nodes().map(|node| serve(node.namespace()));
        Ping::await_answer(host, COMMON);
        let answers = host.run(&["python3", "-c", CLIENT, COMMON, PORT]);
        let mut served: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for line in answers.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            served.entry(words[0]).or_default().insert(words[2]);
        }
        assert_eq!(served.len(), 16, "{answers}");
        assert!(served.values().all(|names| names.len() == 1 && !names.contains("nobody")), "{answers}");
        let nodes: BTreeSet<&str> = served.values().flatten().copied().collect();
        assert!(nodes.len() > 1, "all by {nodes:?}");

        let ping = Ping::run(host, COMMON, &["-s", "4000"]);
        assert!(ping.all(), "{}", ping.output);
        let reassembled: u64 = exit
            .nodes()
            .iter()
            .flat_map(|node| node.list("/counters", "counter").unwrap())
            .filter(|counter| counter["name"] == "reassembled")
            .filter_map(|counter| counter["value"].as_u64())
            .sum();
        assert!(reassembled >= 16 * 3 + 5, "{reassembled} datagrams were put together");
    });
}
